"""Brushes of the demo photos: colours, gradients, noise and anti-aliased masks.

A size is ``(width, height)`` in pixels and a mask is a Pillow image of mode ``L`` (0 keeps, 255
paints). Points are arrays ``[n, 2]`` of x and y in pixels; lines are ``[n, 4]``, start and end.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour: TypeAlias = tuple[int, int, int]
Size: TypeAlias = tuple[int, int]
Array: TypeAlias = NDArray[np.float64]

SUPERSAMPLING = 2


def mix(first: Colour, second: Colour, weight: float) -> Colour:
    """Colour on the way from ``first`` (weight 0) to ``second`` (weight 1)."""
    red, green, blue = (round(a + (b - a) * weight) for a, b in zip(first, second, strict=True))
    return red, green, blue


def tint(rng: np.random.Generator, colour: Colour, *, spread: float = 10.0) -> Colour:
    """The colour, a little lighter or darker and a little off in hue."""
    offset = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    red, green, blue = (int(value) for value in np.clip(np.add(colour, offset), 0, 255))
    return red, green, blue


def gradient(size: Size, colours: Sequence[Colour]) -> Image.Image:
    """Vertical gradient through ``colours``, evenly spaced from top to bottom."""
    _, height = size
    rows = np.linspace(0, len(colours) - 1, height)
    stops = np.asarray(colours, dtype=np.float64)
    column = np.stack([np.interp(rows, np.arange(len(stops)), c) for c in stops.T], axis=-1)
    return Image.fromarray(column[:, None].astype(np.uint8)).resize(size, Image.Resampling.NEAREST)


def smooth_noise(
    rng: np.random.Generator,
    size: Size,
    *,
    cells: tuple[float, float],
    octaves: int = 4,
) -> Array:
    """Fractal noise ``[height, width]`` in 0..1; ``cells`` coarsest blobs across and down."""
    width, height = size
    coarse = (width // 3, height // 3)
    total = np.zeros(coarse[::-1], dtype=np.float32)
    for octave in range(octaves):
        across, down = (max(int(count * 2**octave), 2) for count in cells)
        blobs = rng.random((down, across), dtype=np.float32) * 0.55**octave
        total += np.asarray(Image.fromarray(blobs).resize(coarse, Image.Resampling.BICUBIC))
    total -= total.min()
    total /= total.max()
    return np.asarray(Image.fromarray(total).resize(size, Image.Resampling.BILINEAR))


def to_mask(opacity: ArrayLike) -> Image.Image:
    """Mask of an array ``[height, width]`` of opacities, clipped to 0..1."""
    return Image.fromarray((np.clip(opacity, 0.0, 1.0) * 255).astype(np.uint8))


def fade(mask: Image.Image, opacity: float) -> Image.Image:
    """The mask with every value multiplied by ``opacity``."""
    return mask.point([round(value * opacity) for value in range(256)])


def blur(image: Image.Image, radius: float) -> Image.Image:
    """The image or mask blurred by about ``radius`` pixels."""
    return image.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))


def _large_mask(size: Size) -> Image.Image:
    return Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))


def line_mask(size: Size, lines: Array, widths: ArrayLike) -> Image.Image:
    """Mask of straight lines ``[n, 4]``, each with its width in pixels (or one for all)."""
    large = _large_mask(size)
    draw = ImageDraw.Draw(large)
    thick = np.maximum(np.broadcast_to(np.multiply(widths, SUPERSAMPLING), len(lines)), 1)
    for line, width in zip((lines * SUPERSAMPLING).tolist(), thick.tolist(), strict=True):
        draw.line(line, fill=255, width=round(width))
    return large.reduce(SUPERSAMPLING)


def polygon_mask(size: Size, polygons: Iterable[Array]) -> Image.Image:
    """Mask of filled polygons, each an array of points ``[n, 2]``."""
    large = _large_mask(size)
    draw = ImageDraw.Draw(large)
    for polygon in polygons:
        draw.polygon((polygon * SUPERSAMPLING).ravel().tolist(), fill=255)
    return large.reduce(SUPERSAMPLING)


def dot_mask(size: Size, centres: Array, radii: Array, *, outline: float = 0.0) -> Image.Image:
    """Mask of ellipses with radii ``[n, 2]``: filled, or rings of ``outline`` pixels."""
    large = _large_mask(size)
    draw = ImageDraw.Draw(large)
    boxes = np.hstack([centres - radii, centres + radii]) * SUPERSAMPLING
    for box in boxes.tolist():
        if outline:
            draw.ellipse(box, outline=255, width=round(outline * SUPERSAMPLING))
        else:
            draw.ellipse(box, fill=255)
    return large.reduce(SUPERSAMPLING)
