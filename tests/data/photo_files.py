"""Small photos for tests: noise that differs by seed."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def noise(width: int = 40, height: int = 30, *, seed: int = 0) -> Image.Image:
    """An RGB picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The bytes of the picture's file."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def jpeg(width: int = 40, height: int = 30, *, seed: int = 0) -> bytes:
    """The bytes of a small JPEG."""
    return encoded(noise(width, height, seed=seed), "JPEG")


def fill(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files below ``root`` by key; returns ``root``."""
    for key, content in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root
