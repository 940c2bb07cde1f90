"""The weather of the storms: lightning, rain and sandstorm, one drawing function each."""

import numpy as np
from PIL import Image

from ml_workflows.data.canvas import (
    Array,
    Size,
    blur,
    dot_mask,
    fade,
    gradient,
    line_mask,
    mix,
    polygon_mask,
    smooth_noise,
    to_mask,
)
from ml_workflows.data.landscape import (
    paint_clouds,
    paint_hills,
    paint_turbine,
    pick_colours,
    skyline,
)


def draw_lightning(rng: np.random.Generator, size: Size) -> Image.Image:
    """Bolts over dark hills, which light up the clouds."""
    zenith, horizon_sky, lit, land = pick_colours(
        rng,
        [
            [(18, 12, 46), (74, 52, 120), (130, 104, 190), (8, 6, 18)],
            [(8, 12, 34), (40, 60, 120), (96, 120, 190), (4, 6, 14)],
            [(30, 14, 40), (130, 66, 104), (176, 110, 160), (12, 6, 16)],
        ],
    )
    width, height = size
    image = gradient(size, [zenith, mix(zenith, horizon_sky, 0.6), horizon_sky])
    paint_clouds(rng, image, lit, cover=0.4, cells=(3, 3), softness=0.8)
    paint_clouds(rng, image, zenith, cover=0.5, cells=(2, 4), softness=0.5)
    horizon = rng.uniform(0.7, 0.85)
    bolts = np.vstack([_bolt(rng, size, horizon) for _ in range(int(rng.integers(1, 4)))])
    core = line_mask(size, bolts[:, :4], bolts[:, 4])
    halo = blur(core, min(size) * 0.035).point([min(value * 5, 255) for value in range(256)])
    image.paste(mix(lit, (200, 190, 255), 0.5), mask=fade(halo, 0.8))
    image.paste((230, 220, 255), mask=blur(core, 2))
    image.paste((255, 255, 255), mask=core)
    ridge = paint_hills(
        rng, image, far=mix(land, horizon_sky, 0.25), near=land, horizon=horizon, layers=2
    )
    if rng.random() < 0.4:
        paint_turbine(rng, image, ridge, land)
    if rng.random() < 0.4:
        lamps = np.stack([rng.uniform(0, width, 40), rng.normal(0.93, 0.03, 40) * height], axis=1)
        image.paste((255, 200, 120), mask=dot_mask(size, lamps, np.full((40, 2), 1.1)))
    return image


def _bolt(rng: np.random.Generator, size: Size, horizon: float) -> Array:
    """Lines and widths ``[n, 5]`` of a jagged bolt from the clouds to the ground, with forks."""
    width, height = size
    y = np.linspace(rng.uniform(-0.02, 0.15), horizon + 0.05, 28) * height
    drift = np.cumsum(rng.normal(0, 0.022, 28)) + rng.normal(0, 0.006, 28)
    path = np.stack([(rng.uniform(0.15, 0.85) + drift) * width, y], axis=1)
    found = [np.hstack([path[:-1], path[1:], np.full((27, 1), min(size) * 0.009)])]
    for joint in rng.integers(3, 22, int(rng.integers(2, 6))):
        steps = rng.normal((0.02 * rng.choice([-1, 1]), 0.022), 0.014, (9, 2)) * size
        fork = path[joint] + np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
        found.append(np.hstack([fork[:-1], fork[1:], np.full((9, 1), min(size) * 0.004)]))
    return np.vstack(found)


def draw_rain(rng: np.random.Generator, size: Size) -> Image.Image:
    """Slanting streaks over wet ground that mirrors a dull sky."""
    zenith, horizon_sky, land = pick_colours(
        rng,
        [
            [(54, 76, 104), (108, 132, 156), (34, 54, 66)],
            [(48, 66, 84), (98, 120, 136), (36, 54, 58)],
            [(64, 82, 112), (122, 140, 168), (40, 52, 70)],
        ],
    )
    width, height = size
    image = gradient(size, [zenith, horizon_sky])
    paint_clouds(rng, image, mix(zenith, (0, 0, 0), 0.3), cover=0.5, cells=(2, 4))
    shore = int(height * rng.uniform(0.6, 0.8))
    paint_hills(
        rng,
        image,
        far=mix(land, horizon_sky, 0.6),
        near=land,
        horizon=rng.uniform(0.35, 0.55),
        roughness=2,
    )
    mirrored = image.crop((0, 2 * shore - height, width, shore))
    mirrored = blur(mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM), 3)
    image.paste(mirrored, (0, shore))
    image.paste(mix(zenith, horizon_sky, 0.5), (0, shore, width, height), _veil(mirrored.size, 0.4))
    count = int(rng.integers(15, 50))
    splashes = np.stack([rng.uniform(0, width, count), rng.uniform(shore, height, count)], axis=1)
    radii = (splashes[:, 1:] - shore + 12) * (0.12, 0.04)
    image.paste((170, 194, 216), mask=fade(dot_mask(size, splashes, radii, outline=1), 0.7))
    slant, density = rng.normal(0, 0.25), rng.uniform(0.8, 2.0)
    for reach, thickness, opacity in ((0.06, 0.8, 0.4), (0.13, 1.2, 0.5)):
        tops = rng.uniform(-0.1, 1, (int(density * 170), 2)) * size
        length = height * reach * rng.uniform(0.6, 1.4, (len(tops), 1))
        streaks = np.hstack([tops, tops + length * (slant, 1.0)])
        image.paste((170, 194, 220), mask=fade(line_mask(size, streaks, thickness), opacity))
    return image


def _veil(size: Size, opacity: float) -> Image.Image:
    """Mask of one opacity everywhere."""
    return Image.new("L", size, round(255 * opacity))


def draw_sandstorm(rng: np.random.Generator, size: Size) -> Image.Image:
    """A wall of dust that rolls over dry land."""
    zenith, dust, shadow, land = pick_colours(
        rng,
        [
            [(206, 160, 96), (214, 150, 76), (150, 92, 40), (120, 76, 36)],
            [(226, 190, 130), (206, 160, 100), (160, 112, 60), (150, 110, 66)],
            [(190, 106, 50), (204, 110, 44), (124, 56, 20), (90, 44, 20)],
            [(150, 176, 196), (212, 164, 104), (164, 112, 60), (140, 100, 60)],
        ],
    )
    _, height = size
    image = gradient(size, [zenith, mix(zenith, dust, 0.7)])
    noise = smooth_noise(rng, size, cells=(4, 4), octaves=5)
    rows = np.linspace(0, 1, height)[:, None]
    wall = (rows - rng.uniform(0.05, 0.4) + 0.5 * (noise - 0.5)) * 9
    image.paste(dust, mask=to_mask(wall))
    billows = smooth_noise(rng, size, cells=(5, 6), octaves=5)
    image.paste(shadow, mask=to_mask(np.clip(wall, 0, 1) * (billows - 0.45) * 2.5))
    sunlit = to_mask(np.clip(wall, 0, 1) * (0.4 - billows) * 2.5)
    image.paste(mix(dust, (255, 236, 190), 0.5), mask=sunlit)
    ridge = paint_hills(
        rng, image, far=mix(land, dust, 0.6), near=land, horizon=rng.uniform(0.72, 0.9), layers=2
    )
    if rng.random() < 0.35:
        paint_turbine(rng, image, ridge, mix(land, dust, 0.2))
    elif rng.random() < 0.4:
        image.paste(mix(land, dust, 0.3), mask=polygon_mask(size, skyline(rng, size, ridge)))
    paint_clouds(rng, image, dust, cover=0.5, cells=(2, 9), softness=0.8)
    return image
