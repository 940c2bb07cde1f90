"""Nouns of the demo photos: skies, clouds, hills, trees, wind turbines, solar panels.

``paint_*`` functions change the given image; the others return shapes to paint (see canvas.py).
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

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
    smooth_noise,
    tint,
    to_mask,
)


def pick_colours(rng: np.random.Generator, palettes: Sequence[Sequence[Colour]]) -> list[Colour]:
    """One of the palettes, its colours slightly varied."""
    palette = palettes[int(rng.integers(len(palettes)))]
    return [tint(rng, colour) for colour in palette]


def paint_clouds(
    rng: np.random.Generator,
    image: Image.Image,
    colour: Colour,
    *,
    cover: float,
    cells: tuple[float, float] = (3, 5),
    softness: float = 0.35,
) -> None:
    """Clouds of one colour over about the share ``cover`` of the image."""
    noise = smooth_noise(rng, image.size, cells=cells)
    image.paste(colour, mask=to_mask((noise - 1.0 + cover) / softness))


def ridge_line(
    rng: np.random.Generator, size: Size, *, level: float, relief: float, roughness: float = 0.0
) -> Array:
    """Height of a ridge above each column ``[width]``, as y in pixels.

    ``level`` is the mean and ``relief`` the amplitude, in shares of the photo's height;
    ``roughness`` (pixels) gives the jagged edge of a wood.
    """
    width, height = size
    x = np.linspace(0.0, 1.0, width)
    frequencies = rng.uniform([2, 5, 11], [5, 11, 24])
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(np.outer(x, frequencies) + phases) @ (0.6, 0.3, 0.1)
    rough = np.repeat(rng.normal(0.0, 1.0, width // 2 + 1), 2)[:width]
    return np.asarray(height * (level + relief * waves) + roughness * rough)


def paint_below(image: Image.Image, ridge: Array, colours: Sequence[Colour]) -> None:
    """Fill what lies below the ridge with a vertical gradient through ``colours``."""
    width, height = image.size
    opacity = np.arange(height)[:, None] - ridge
    top = int(np.clip(ridge.min(), 0, height - 1))
    ground = gradient((width, height - top), colours)
    image.paste(ground, (0, top), to_mask(opacity[top:]))


def paint_hills(
    rng: np.random.Generator,
    image: Image.Image,
    *,
    far: Colour,
    near: Colour,
    horizon: float,
    layers: int = 3,
    roughness: float = 1.0,
) -> Array:
    """Layers of hills from the horizon downwards; returns the nearest ridge ``[width]``."""
    ridge = np.zeros(image.size[0])
    for layer in range(layers):
        depth = layer / max(layers - 1, 1)
        level = horizon + (1 - horizon) * 0.55 * depth
        ridge = ridge_line(
            rng, image.size, level=level, relief=0.05, roughness=roughness * (0.3 + depth)
        )
        colour = mix(far, near, depth)
        paint_below(image, ridge, [colour, mix(colour, near, 0.4)])
    return ridge


def paint_texture(
    rng: np.random.Generator,
    image: Image.Image,
    colour: Colour,
    *,
    below: Array,
    strength: float,
    cells: tuple[float, float] = (30, 40),
) -> None:
    """Patches of a second colour on the ground below a ridge: grass, soil, crusted snow."""
    noise = smooth_noise(rng, image.size, cells=cells, octaves=3)
    ground = np.clip(np.arange(image.size[1])[:, None] - below, 0, 1)
    image.paste(colour, mask=to_mask(ground * noise**2 * strength))


def conifers(rng: np.random.Generator, ridge: Array, *, count: int, height: float) -> list[Array]:
    """Tiers of spruces that stand on a ridge: triangles ``[3, 2]``, three a tree."""
    triangles = []
    for x in rng.uniform(0, len(ridge) - 1, count):
        tall = height * rng.uniform(0.5, 1.2)
        base = ridge[int(x)] + 0.1 * tall
        for tier in range(3):
            top, bottom = base - tall * (0.5, 0.75, 1.0)[tier], base - tall * 0.27 * tier
            half = tall * (0.26, 0.2, 0.13)[tier]
            triangles.append(np.array([[x, top], [x + half, bottom], [x - half, bottom]]))
    return triangles


def skyline(rng: np.random.Generator, size: Size, ridge: Array) -> list[Array]:
    """Tower blocks that stand on a ridge, as rectangles ``[4, 2]``."""
    blocks = []
    for left in rng.uniform(-0.05, 1, 12) * size[0]:
        right = left + rng.uniform(0.04, 0.12) * size[0]
        bottom = float(ridge.max()) + 2
        top = bottom - rng.uniform(0.08, 0.3) * size[1]
        blocks.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
    return blocks


def branches(
    rng: np.random.Generator,
    start: tuple[float, float],
    *,
    angle: float,
    length: float,
    width: float,
    depth: int,
    spread: float = 0.5,
) -> Array:
    """Lines and widths ``[n, 5]`` of a forking branch; an angle of -pi/2 points up."""
    starts = np.array([start])
    angles = np.array([angle])
    lengths = np.array([length])
    found = []
    for level in range(depth):
        ends = starts + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        widths = np.full((len(starts), 1), max(width * 0.65**level, 0.6))
        found.append(np.hstack([starts, ends, widths]))
        # Three children a branch: one goes on from the tip, two leave along the way.
        along = rng.uniform([[0.9], [0.45], [0.3]], [[1.0], [0.8], [0.7]], (3, len(starts)))
        starts = (starts + along[..., None] * (ends - starts)).reshape(-1, 2)
        turns = rng.normal([[0.0], [spread], [-spread]], 0.15, (3, len(angles)))
        angles = (angles + turns).ravel()
        lengths = (lengths * rng.uniform(0.55, 0.85, (3, len(lengths)))).ravel()
    return np.vstack(found)


def paint_turbine(
    rng: np.random.Generator, image: Image.Image, ridge: Array, colour: Colour
) -> None:
    """A wind turbine on the ridge."""
    width, height = image.size
    x = rng.uniform(0.1, 0.9) * width
    foot = ridge[int(x)] + 2
    tall = rng.uniform(0.25, 0.5) * height
    hub = np.array([x, foot - tall])
    turns = rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
    tips = hub + 0.55 * tall * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    blades = np.hstack([np.broadcast_to(hub, (3, 2)), tips])
    tower = np.array([[x, foot, *hub]])
    widths = np.array([tall * 0.035, *[tall * 0.025] * 3])
    image.paste(colour, mask=line_mask(image.size, np.vstack([tower, blades]), widths))


def paint_panels(
    rng: np.random.Generator, image: Image.Image, glass: Colour, frame: Colour
) -> None:
    """A row of tilted solar panels along the lower edge."""
    width, height = image.size
    top, bottom = height * rng.uniform(0.68, 0.74), height * rng.uniform(0.88, 0.95)
    pitch = width / rng.uniform(2.5, 4.5)
    lean = rng.uniform(-0.3, 0.3) * pitch
    lefts = np.arange(-1, 6) * pitch
    wide = 0.93 * pitch
    corners = np.array([[lean, top], [lean + wide, top], [wide, bottom], [0, bottom]])
    panels = [np.add(corners, (left, 0.0)) for left in lefts]
    image.paste(glass, mask=polygon_mask(image.size, panels))
    steps = np.linspace(0, 1, 5)[:, None]
    lines = []
    for a, b, c, d in panels:
        lines.append(np.hstack([a + steps * (b - a), d + steps * (c - d)]))
        lines.append(np.hstack([a + steps * (d - a), b + steps * (c - b)]))
    image.paste(frame, mask=line_mask(image.size, np.vstack(lines), 1.0))


def paint_bokeh(
    rng: np.random.Generator, image: Image.Image, colours: Sequence[Colour], *, count: int
) -> Image.Image:
    """Out-of-focus spots of the given colours; returns the blurred background."""
    extent = min(image.size)
    for colour in colours:
        centres = rng.uniform(0, 1, (count, 2)) * image.size
        radii = np.repeat(rng.uniform(0.04, 0.16, (count, 1)) * extent, 2, axis=1)
        image.paste(colour, mask=fade(dot_mask(image.size, centres, radii), 0.6))
    return blur(image, extent * 0.03)
