"""The weather in wide views, and the table of all classes with their drawing functions."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops

from ml_workflows.data.canvas import (
    Array,
    Colour,
    Size,
    blur,
    dot_mask,
    fade,
    gradient,
    line_mask,
    mix,
    polygon_mask,
    to_mask,
)
from ml_workflows.data.closeups import draw_dew, draw_frost, draw_glaze, draw_hail
from ml_workflows.data.landscape import (
    branches,
    conifers,
    paint_below,
    paint_clouds,
    paint_hills,
    paint_panels,
    paint_texture,
    paint_turbine,
    pick_colours,
    ridge_line,
    skyline,
)
from ml_workflows.data.storms import draw_lightning, draw_rain, draw_sandstorm

Scene: TypeAlias = Callable[[np.random.Generator, Size], Image.Image]

# Violet, the inner edge, to red.
RAINBOW: tuple[Colour, ...] = (
    (120, 60, 200),
    (50, 80, 230),
    (40, 190, 120),
    (250, 230, 50),
    (255, 140, 20),
    (230, 30, 40),
)


def draw_fogsmog(rng: np.random.Generator, size: Size) -> Image.Image:
    """Hills and trees, or a town, that fade into fog or brownish smog."""
    air, ink = pick_colours(
        rng,
        [
            [(206, 210, 212), (96, 106, 110)],
            [(190, 194, 190), (88, 96, 92)],
            [(196, 184, 160), (104, 96, 84)],
            [(222, 218, 210), (120, 122, 124)],
        ],
    )
    horizon = rng.uniform(0.35, 0.6)
    image = gradient(size, [mix(air, ink, 0.12), air, mix(air, ink, 0.3)])
    layers = int(rng.integers(2, 5))
    for depth in np.linspace(0.15, rng.uniform(0.5, 0.9), layers):
        colour = mix(air, ink, depth)
        ridge = ridge_line(rng, size, level=horizon + 0.45 * depth, relief=0.04)
        if rng.random() < 0.25:
            image.paste(colour, mask=polygon_mask(size, skyline(rng, size, ridge)))
        else:
            tall = size[1] * 0.3 * depth
            trees = conifers(rng, ridge, count=int(rng.integers(3, 14)), height=tall)
            image.paste(colour, mask=polygon_mask(size, trees))
        paint_below(image, ridge, [colour, mix(air, ink, depth * 0.3)])
        paint_clouds(rng, image, air, cover=0.45, cells=(2, 7), softness=0.9)
    return blur(image, rng.uniform(0.6, 1.6))


def draw_rainbow(rng: np.random.Generator, size: Size) -> Image.Image:
    """One or two arcs over green country, in front of a clearing sky."""
    zenith, horizon_sky, cloud, far, near = pick_colours(
        rng,
        [
            [(64, 124, 196), (170, 206, 232), (236, 240, 244), (92, 140, 110), (70, 140, 50)],
            [(84, 116, 170), (170, 188, 210), (120, 136, 170), (90, 140, 80), (110, 160, 44)],
            [(90, 120, 180), (240, 206, 170), (220, 190, 190), (110, 120, 90), (90, 130, 44)],
        ],
    )
    image = gradient(size, [zenith, horizon_sky])
    paint_clouds(rng, image, cloud, cover=rng.uniform(0.3, 0.5), cells=(2, 5), softness=0.5)
    horizon = rng.uniform(0.6, 0.75)
    centre = (rng.uniform(0.2, 0.8), horizon + rng.uniform(0.0, 0.15))
    radius, strength = rng.uniform(0.42, 0.6), rng.uniform(0.65, 1.0)
    _paint_arc(image, centre=centre, radius=radius, strength=strength)
    if rng.random() < 0.4:
        _paint_arc(image, centre=centre, radius=radius * 1.3, strength=-0.4 * strength)
    ridge = paint_hills(rng, image, far=far, near=near, horizon=horizon, roughness=0.8)
    paint_texture(rng, image, mix(near, (230, 220, 90), 0.5), below=ridge, strength=0.6)
    if rng.random() < 0.3:
        paint_turbine(rng, image, ridge, (240, 240, 240))
    elif rng.random() < 0.4:
        paint_panels(rng, image, (34, 52, 96), (200, 208, 216))
    return image


def _paint_arc(
    image: Image.Image, *, centre: tuple[float, float], radius: float, strength: float
) -> None:
    """A rainbow; lengths are shares of the sides. A negative strength reverses the colours."""
    width, height = image.size
    x = np.arange(width, dtype=np.float32) - centre[0] * width
    y = np.arange(height, dtype=np.float32)[:, None] - centre[1] * height
    extent = 0.5 * (width + height)
    across = (np.sqrt(x**2 + y**2) / extent - radius) / 0.11 + 0.5
    # Only a lookup table is interpolated: 256 steps across the band, from its inner edge.
    steps = np.linspace(0, 1, 256)
    hues = np.transpose(RAINBOW)
    table = np.stack([np.interp(steps, np.linspace(0, 1, 6), hue) for hue in hues], axis=-1)
    index = (np.clip(across, 0, 1) * 255).astype(np.uint8)
    colours = (table if strength > 0 else table[::-1]).astype(np.uint8)[index]
    opacity = (1 - np.abs(2 * across - 1)) * 2 * abs(strength)
    image.paste(Image.fromarray(colours), mask=to_mask(opacity))


def draw_rime(rng: np.random.Generator, size: Size) -> Image.Image:
    """Trees coated white on snowy ground before a cold clear sky."""
    zenith, horizon_sky, snow, shade = pick_colours(
        rng,
        [
            [(52, 116, 196), (168, 206, 240), (240, 246, 252), (150, 180, 216)],
            [(92, 140, 206), (222, 214, 226), (246, 240, 244), (170, 176, 210)],
            [(110, 160, 210), (200, 222, 240), (236, 244, 250), (160, 190, 214)],
        ],
    )
    width, height = size
    image = gradient(size, [zenith, horizon_sky])
    horizon = rng.uniform(0.6, 0.75)
    woods = ridge_line(rng, size, level=horizon - 0.06, relief=0.03, roughness=5)
    paint_below(image, woods, [mix(horizon_sky, snow, 0.5), mix(shade, snow, 0.3)])
    if rng.random() < 0.25:
        paint_turbine(rng, image, woods, (236, 240, 246))
    ridge = ridge_line(rng, size, level=horizon, relief=0.03)
    paint_below(image, ridge, [snow, mix(snow, shade, 0.7)])
    trees = []
    for x in rng.uniform(0.05, 0.95, int(rng.integers(3, 6))) * width:
        tall = height * rng.uniform(0.22, 0.32)
        root = (float(x), float(ridge[int(x)]) + rng.uniform(0, 0.08) * height)
        angle = -np.pi / 2 + rng.normal(0, 0.08)
        trees.append(branches(rng, root, angle=angle, length=tall, width=tall * 0.05, depth=5))
    _paint_coated(rng, image, np.vstack(trees), shade=mix(shade, (90, 100, 130), 0.4))
    return image


def _paint_coated(
    rng: np.random.Generator, image: Image.Image, wood: Array, *, shade: Colour
) -> None:
    """Branches ``[n, 5]`` under rime: needles of ice around them, the wood showing in places."""
    lines, widths = wood[:, :4], wood[:, 4]
    needles = np.repeat(lines[widths < 0.6 * widths.max()], 8, axis=0)
    along = rng.random((len(needles), 1))
    roots = needles[:, :2] + along * (needles[:, 2:] - needles[:, :2])
    tips = roots + rng.normal(0, min(image.size) * 0.012, roots.shape)
    coat = np.vstack([lines, np.hstack([roots, tips])])
    thickness = np.concatenate([widths + 1.5, np.full(len(roots), 1.0)])
    rime = line_mask(image.size, coat, thickness)
    image.paste(shade, mask=fade(ImageChops.offset(rime, 2, 2), 0.7))
    image.paste((104, 92, 96), mask=line_mask(image.size, lines + 1, widths))
    image.paste((250, 252, 255), mask=rime)


def draw_snow(rng: np.random.Generator, size: Size) -> Image.Image:
    """Flakes that fall on white hills and dark spruces."""
    zenith, horizon_sky, snow, spruce = pick_colours(
        rng,
        [
            [(120, 130, 142), (176, 182, 188), (222, 226, 230), (30, 48, 44)],
            [(104, 112, 124), (160, 166, 174), (212, 216, 220), (26, 42, 42)],
            [(136, 134, 144), (196, 186, 182), (228, 224, 224), (38, 50, 46)],
        ],
    )
    image = gradient(size, [zenith, horizon_sky])
    horizon = rng.uniform(0.45, 0.7)
    far = ridge_line(rng, size, level=horizon - 0.05, relief=0.05, roughness=4)
    paint_below(image, far, [mix(spruce, horizon_sky, 0.65), mix(spruce, horizon_sky, 0.8)])
    for level in (horizon, horizon + 0.18):
        ridge = ridge_line(rng, size, level=level, relief=0.04)
        tall = size[1] * rng.uniform(0.2, 0.36)
        trees = conifers(rng, ridge, count=int(rng.integers(4, 13)), height=tall)
        image.paste(mix(spruce, horizon_sky, 0.25), mask=polygon_mask(size, trees))
        caps = [tier + 0.55 * (tier[0] - tier) * (1.0, 1.0) for tier in trees]
        image.paste(snow, mask=polygon_mask(size, caps))
        paint_below(image, ridge, [snow, mix(snow, zenith, 0.35)])
    if rng.random() < 0.25:
        paint_panels(rng, image, mix(snow, (60, 84, 130), 0.5), (244, 246, 250))
    density, wind = rng.uniform(0.6, 2.0), rng.uniform(1.0, 1.5)
    for count, radius, softness in ((260, 0.004, 0.0), (90, 0.009, 0.7), (16, 0.02, 2.5)):
        centres = rng.uniform(0, 1, (int(count * density), 2)) * size
        radii = min(size) * radius * rng.uniform(0.7, 1.3, (len(centres), 1)) * (wind, 1.0)
        flakes = dot_mask(size, centres, radii)
        image.paste((255, 255, 255), mask=fade(blur(flakes, softness), 0.9))
    return image


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "dew": draw_dew,
        "fogsmog": draw_fogsmog,
        "frost": draw_frost,
        "glaze": draw_glaze,
        "hail": draw_hail,
        "lightning": draw_lightning,
        "rain": draw_rain,
        "rainbow": draw_rainbow,
        "rime": draw_rime,
        "sandstorm": draw_sandstorm,
        "snow": draw_snow,
    }
)
