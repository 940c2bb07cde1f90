"""The weather seen from close by: dew, frost, glaze and hail, one drawing function each."""

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
    branches,
    paint_below,
    paint_bokeh,
    paint_clouds,
    paint_texture,
    pick_colours,
    ridge_line,
)


def draw_dew(rng: np.random.Generator, size: Size) -> Image.Image:
    """Water drops on a leaf seen from close by."""
    dark, light = pick_colours(
        rng,
        [
            [(22, 84, 30), (96, 170, 62)],
            [(30, 70, 20), (140, 180, 60)],
            [(8, 62, 44), (60, 150, 90)],
        ],
    )
    image = gradient(size, [light, dark] if rng.random() < 0.5 else [dark, light, dark])
    paint_clouds(rng, image, mix(dark, light, 0.6), cover=0.6, softness=0.8)
    veins = _leaf_veins(rng, size)
    image.paste(mix(light, (230, 245, 190), 0.4), mask=fade(line_mask(size, veins, 1.6), 0.55))
    count = int(rng.integers(30, 110))
    radii = np.repeat(min(size) * rng.gamma(2.0, 0.011, (count, 1)) + 2, 2, axis=1)
    _paint_drops(image, rng.uniform(0, 1, (count, 2)) * size, radii)
    return image


def _leaf_veins(rng: np.random.Generator, size: Size) -> Array:
    """Lines ``[n, 4]``: a midrib across the photo and side veins that slant forward from it."""
    heading = rng.uniform(0.1, 0.9) * np.pi
    along = np.array([np.cos(heading), -np.sin(heading)])
    middle = rng.uniform(0.3, 0.7, 2) * size
    reach = 1.2 * max(size)
    roots = middle + np.arange(-reach, reach, max(size) * rng.uniform(0.07, 0.13))[:, None] * along
    found = [np.hstack([middle - reach * along, middle + reach * along])[None]] * 2
    for turn in (heading - 0.9, heading + 0.9):
        slant = np.array([np.cos(turn), -np.sin(turn)])
        bend = roots + 0.35 * reach * slant
        found.append(np.hstack([roots, bend]))
        found.append(np.hstack([bend, bend + 0.6 * reach * (slant + 0.5 * along)]))
    return np.vstack(found)


def _paint_drops(image: Image.Image, centres: Array, radii: Array) -> None:
    """Drops of water: a shadow, light gathered at the lower right, a highlight above it."""
    drops = dot_mask(image.size, centres, radii)
    image.paste((6, 40, 12), mask=fade(dot_mask(image.size, centres + 0.25 * radii, radii), 0.55))
    image.paste((40, 110, 48), mask=fade(drops, 0.8))
    gathered = blur(dot_mask(image.size, centres + 0.3 * radii, 0.6 * radii), 1.5)
    image.paste((190, 240, 170), mask=fade(gathered, 0.85))
    image.paste((250, 255, 250), mask=dot_mask(image.size, centres - 0.4 * radii, 0.2 * radii))


def draw_frost(rng: np.random.Generator, size: Size) -> Image.Image:
    """Ice ferns that grow over a window from its edges."""
    top, bottom, spot = pick_colours(
        rng,
        [
            [(20, 84, 124), (84, 166, 196), (140, 206, 220)],
            [(20, 100, 150), (150, 170, 180), (236, 190, 140)],
            [(16, 76, 112), (44, 136, 170), (96, 186, 212)],
            [(30, 126, 156), (100, 196, 210), (60, 150, 166)],
        ],
    )
    image = paint_bokeh(rng, gradient(size, [top, bottom]), [spot, top], count=6)
    width, height = size
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    ice = smooth_noise(rng, size, cells=(6, 6), octaves=5) + 0.9 * np.maximum(x**2, y**2)
    image.paste((196, 230, 240), mask=to_mask((ice - rng.uniform(0.4, 0.75)) * 0.8))
    ferns = np.vstack([_ice_fern(rng, size) for _ in range(int(rng.integers(15, 25)))])
    crystals = line_mask(size, ferns[:, :4], ferns[:, 4])
    image.paste((150, 190, 230), mask=fade(blur(crystals, 2), 0.8))
    image.paste((240, 248, 255), mask=fade(crystals, 0.85))
    return image


def _ice_fern(rng: np.random.Generator, size: Size) -> Array:
    """Lines and widths ``[n, 5]``: a bent spine from an edge, barbs at 60 degrees, side barbs."""
    turn = rng.uniform(0, 2 * np.pi)
    start = (np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0.45, 0.75) + 0.5) * size
    steps = int(rng.integers(16, 28))
    angles = turn + np.pi + rng.normal(0, 0.4) + np.cumsum(rng.normal(0, 0.05, steps))
    step = min(size) * rng.uniform(0.015, 0.028)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    spine = start + np.cumsum(directions * step, axis=0)
    found = [np.hstack([spine[:-1], spine[1:], np.full((steps - 1, 1), 1.6)])]
    reach = step * 5 * np.linspace(1, 0.15, steps)[:, None] * rng.uniform(0.5, 1.1, (steps, 1))
    for side in (-np.pi / 3, np.pi / 3):
        barb = np.stack([np.cos(angles + side), np.sin(angles + side)], axis=1) * reach
        found.append(np.hstack([spine, spine + barb, np.full((steps, 1), 1.0)]))
        for share in (0.35, 0.65):
            root = spine + share * barb
            tip = root + 0.35 * reach * directions
            found.append(np.hstack([root, tip, np.full((steps, 1), 0.7)]))
    return np.vstack(found)


def draw_glaze(rng: np.random.Generator, size: Size) -> Image.Image:
    """Twigs under clear ice, with icicles, before a blurred winter background."""
    top, bottom, spot, bark = pick_colours(
        rng,
        [
            [(120, 128, 122), (84, 88, 80), (150, 150, 136), (62, 40, 30)],
            [(146, 150, 150), (104, 100, 92), (120, 110, 96), (74, 44, 34)],
            [(100, 106, 108), (70, 72, 74), (136, 134, 126), (54, 36, 28)],
        ],
    )
    background = gradient(size, [top, bottom])
    image = paint_bokeh(rng, background, [spot, mix(bottom, bark, 0.4)], count=12)
    twigs = np.vstack([_twig(rng, size) for _ in range(int(rng.integers(3, 6)))])
    lines, widths = twigs[:, :4], twigs[:, 4]
    ice = line_mask(size, lines, 2.0 * widths + 4)
    icicles = polygon_mask(size, _icicles(rng, lines, min(size)))
    image.paste((40, 46, 50), mask=fade(ice, 0.5))
    image.paste((206, 222, 228), mask=fade(line_mask(size, lines, 2.0 * widths + 2.5), 0.7))
    image.paste((224, 236, 240), mask=fade(icicles, 0.75))
    image.paste(bark, mask=line_mask(size, lines, widths))
    gloss = line_mask(size, lines - 0.6 * widths[:, None] - 0.8, 0.9)
    image.paste((255, 255, 255), mask=fade(gloss, 0.9))
    if rng.random() < 0.3:
        tips = lines[rng.integers(len(lines), size=18), 2:]
        radii = np.full(tips.shape, min(size) * 0.016)
        image.paste((220, 226, 230), mask=fade(dot_mask(size, tips, radii * 1.4), 0.7))
        image.paste((170, 26, 30), mask=dot_mask(size, tips, radii))
        image.paste((255, 240, 240), mask=dot_mask(size, tips - 0.35 * radii, 0.3 * radii))
    return image


def _twig(rng: np.random.Generator, size: Size) -> Array:
    """A forking branch ``[n, 5]`` that enters the photo from its left or right edge."""
    from_left = rng.random() < 0.5
    start = (-5.0 if from_left else size[0] + 5.0, rng.uniform(0.05, 0.95) * size[1])
    angle = rng.normal(-0.1, 0.3) if from_left else np.pi + rng.normal(0.1, 0.3)
    length, width = rng.uniform(0.35, 0.6) * size[0], min(size) * rng.uniform(0.016, 0.03)
    return branches(rng, start, angle=angle, length=length, width=width, depth=4, spread=0.6)


def _icicles(rng: np.random.Generator, lines: Array, extent: int) -> list[Array]:
    """Icicles below random places on the lines, as triangles ``[3, 2]``."""
    chosen = lines[rng.integers(len(lines), size=int(rng.integers(30, 80)))]
    roots = chosen[:, :2] + rng.random((len(chosen), 1)) * (chosen[:, 2:] - chosen[:, :2])
    lengths = rng.gamma(2.0, 0.025, len(roots)) * extent
    half = 2.0 + 0.04 * lengths
    return [
        np.array([[x - w, y], [x + w, y], [x, y + length]])
        for (x, y), w, length in zip(roots, half, lengths, strict=True)
    ]


def draw_hail(rng: np.random.Generator, size: Size) -> Image.Image:
    """Hailstones on grass, soil or asphalt, at times under a strip of dark sky."""
    far, near, fleck = pick_colours(
        rng,
        [
            [(84, 116, 56), (66, 112, 40), (32, 60, 18)],
            [(92, 78, 62), (96, 72, 50), (44, 32, 24)],
            [(110, 92, 72), (104, 84, 62), (56, 42, 30)],
            [(96, 110, 60), (84, 100, 44), (40, 50, 20)],
        ],
    )
    width, height = size
    level = rng.uniform(0.15, 0.4) if rng.random() < 0.35 else -0.2
    image = gradient(size, [(62, 68, 82), (128, 132, 138)])
    ridge = ridge_line(rng, size, level=level, relief=0.02)
    paint_below(image, ridge, [far, near])
    paint_texture(rng, image, fleck, below=ridge, strength=1.3, cells=(width / 8, height / 6))
    # Perspective: stones lie closer together and look smaller towards the horizon.
    depth = np.sort(rng.uniform(0.02, 1, (int(rng.integers(120, 260)), 1)), axis=0)
    x = rng.uniform(0, width, depth.shape)
    y = height * (max(level, 0.0) + (1 - max(level, 0.0)) * depth)
    extent = min(size) * rng.uniform(0.02, 0.04)
    nearness = 0.35 + 0.65 * depth if level > 0 else np.ones_like(depth)
    radii = np.maximum(extent * nearness * rng.uniform(0.6, 1.25, depth.shape), 1.5) * (1.0, 0.9)
    _paint_stones(image, np.hstack([x, y]), radii)
    if level > 0:
        falls = rng.uniform(0, 1, (40, 2)) * size
        tails = np.hstack([falls, np.add(falls, (2.0, 0.04 * height))])
        image.paste((225, 230, 236), mask=fade(line_mask(size, tails, 2.0), 0.6))
    return image


def _paint_stones(image: Image.Image, centres: Array, radii: Array) -> None:
    """Balls of milky ice: a shadow on the ground, a grey rim, a bright side, a highlight."""
    shadow = blur(dot_mask(image.size, centres + 0.45 * radii, radii), 1)
    image.paste((14, 16, 16), mask=fade(shadow, 0.6))
    image.paste((164, 176, 188), mask=dot_mask(image.size, centres, radii))
    bright = blur(dot_mask(image.size, centres - 0.15 * radii, 0.7 * radii), 1)
    image.paste((228, 234, 240), mask=bright)
    image.paste((255, 255, 255), mask=dot_mask(image.size, centres - 0.35 * radii, 0.25 * radii))
