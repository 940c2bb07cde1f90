"""The demo photos: a small stylised weather data set, drawn when the user brings no photos."""

import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageChops, ImageEnhance

from ml_workflows.data.canvas import Size
from ml_workflows.data.scenes import SCENES

DEMO_CLASS_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "dew": 68,
        "fogsmog": 83,
        "frost": 47,
        "glaze": 62,
        "hail": 57,
        "lightning": 41,
        "rain": 52,
        "rainbow": 38,
        "rime": 95,
        "sandstorm": 67,
        "snow": 60,
    }
)
SMALLEST_CLASS = 4
JPEG_QUALITY = 88
PNG_SHARE = 0.08
WORKERS = 2


def draw_demo_photos(folder: Path, *, random_seed: int = 0, share: float = 1.0) -> int:
    """Draw the photos into ``folder/<class>/<class>-0001.jpg`` ... and return how many.

    ``share`` scales the size of each class. A photo depends on the seed, its class and its number
    only, so a smaller share draws the same first photos. Some photos are PNG files.
    """
    numbered = list(_photos_of(share))
    for name in SCENES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    # Pillow lets go of the interpreter lock while it filters and encodes.
    with ThreadPoolExecutor(WORKERS) as pool:
        drawn = pool.map(lambda photo: _draw_photo(folder, photo, random_seed), numbered)
        return len(list(drawn))


def _photos_of(share: float) -> Iterator[tuple[str, int]]:
    """Class and number, from 1, of each photo."""
    for name, size in DEMO_CLASS_SIZES.items():
        for number in range(1, max(round(size * share), SMALLEST_CLASS) + 1):
            yield name, number


def _draw_photo(folder: Path, photo: tuple[str, int], random_seed: int) -> Path:
    """Draw and save the photo of a class and number; returns its path."""
    name, number = photo
    # hash() of a string changes from process to process, its CRC does not.
    entropy = (random_seed, zlib.crc32(name.encode()), number)
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    size = _photo_size(rng)
    image = _develop(rng, SCENES[name](rng, size))
    stem = folder / name / f"{name}-{number:04d}"
    if rng.random() < PNG_SHARE:
        path = stem.with_suffix(".png")
        image.save(path, compress_level=1)
    else:
        path = stem.with_suffix(".jpg")
        image.save(path, quality=JPEG_QUALITY)
    return path


def _photo_size(rng: np.random.Generator) -> Size:
    """Width and height in pixels, landscape for the most part."""
    long_side = int(rng.integers(290, 491))
    short_side = max(int(long_side / rng.choice([4 / 3, 3 / 2, 16 / 9])), 200)
    kind = rng.random()
    if kind < 0.7:
        return long_side, short_side
    if kind < 0.85:
        return short_side, long_side
    return short_side, short_side


def _develop(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Vary what a camera varies: mirroring, exposure, saturation and grain."""
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.88, 1.1))
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.85, 1.2))
    reach = int(rng.integers(1, 6))
    grain = Image.fromarray(rng.integers(reach * 2 + 1, size=image.size[::-1], dtype=np.uint8))
    return ImageChops.add(image, grain.convert("RGB"), offset=-reach)
