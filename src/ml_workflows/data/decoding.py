"""A photo's bytes to RGB pixels, within budgets, whatever the file claims to be.

Only the formats of :data:`FORMATS` are tried, found by content and never by suffix. Nothing is
decoded before the header's width and height are known to be within the budget.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError, features

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff")
)
#: Photos of formats that are not read: they are set aside, not overlooked.
OTHER_SUFFIXES = frozenset(
    (".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".dng", ".cr2", ".nef", ".arw")
)
SIGNATURE_BYTES = 12

_DETAIL_LETTERS = 200

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF87a", b"GIF89a")
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EXIF_ORIENTATION = 0x0112
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_SIXTEEN_TO_EIGHT_BITS = 1 / 257


class Undecodable(Exception):
    """A photo that cannot be used: a short ``reason`` for machines, a ``detail`` for people."""

    def __init__(self, reason: str, detail: str, *, width: int = 0, height: int = 0) -> None:
        """``width`` and ``height`` in px, as far as the header told them."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.width = width
        self.height = height


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A photo as it is seen: ``image`` is upright RGB, perhaps smaller than the photo.

    ``width`` and ``height`` are those of the whole upright photo in px.
    """

    image: Image.Image
    format: str
    width: int
    height: int


def decoder_versions() -> dict[str, str]:
    """The libraries whose versions decide what pixels come out."""
    codecs = ("jpg", "libjpeg_turbo", "zlib", "webp", "libtiff")
    found = {codec: str(features.version(codec)) for codec in codecs}
    return {"pillow": PIL.__version__, **found}


def looks_like_photo(name: str, head: bytes) -> bool:
    """Whether a file is meant as a photo: by its suffix, or by its first bytes."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    meant = suffix in SUFFIXES or suffix in OTHER_SUFFIXES
    return meant or webp or head.startswith(_SIGNATURES + _TIFF_SIGNATURES)


def decode(
    content: bytes, *, max_photo_bytes: int, max_photo_pixels: int, least_px: int | None = None
) -> Decoded:
    """The first frame of a photo as an upright RGB image.

    With ``least_px`` a JPEG may be decoded at a half, a quarter or an eighth of its size as long
    as its short side keeps that many px, which takes a fraction of the time. EXIF orientation is
    applied. Grey, palette, CMYK and 16-bit photos become 8-bit RGB; alpha is dropped, as
    ``torchvision.datasets.folder.pil_loader`` does.

    Raises:
        Undecodable: the content is empty, of no known format, broken, or over a budget.
    """
    if not content:
        raise Undecodable("empty", "the file has no bytes")
    if len(content) > max_photo_bytes:
        detail = f"{len(content)} bytes, the budget is {max_photo_bytes}"
        raise Undecodable("too_many_bytes", detail)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(content, max_photo_pixels, least_px)
    except Undecodable:
        raise
    except Image.DecompressionBombError as error:
        raise Undecodable("too_many_pixels", str(error)) from error
    except UnidentifiedImageError as error:
        detail = "not a JPEG, PNG, WebP, BMP, GIF or TIFF by its content"
        raise Undecodable("unknown_format", detail) from error
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Undecodable("broken", _told(error)) from error


def _decode(content: bytes, max_photo_pixels: int, least_px: int | None) -> Decoded:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_photo_pixels:
            detail = f"{width} x {height} px, the budget is {max_photo_pixels} px"
            raise Undecodable("too_many_pixels", detail)
        try:
            if least_px is not None:
                image.draft(None, _at_least(width, height, least_px))
            image.load()
            orientation = _orientation(image)
            rgb = _to_rgb(image)
        except Exception as error:  # decoders raise anything on hostile bytes
            raise Undecodable("broken", _told(error), width=width, height=height) from error
        image_format = str(image.format)
    if orientation in _TURN:
        rgb = rgb.transpose(_TURN[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Decoded(image=rgb, format=image_format, width=width, height=height)


def _at_least(width: int, height: int, least_px: int) -> tuple[int, int]:
    """The photo's shape with a short side of ``least_px``, or its size if that is smaller."""
    share = min(1.0, least_px / min(width, height))
    return math.ceil(width * share), math.ceil(height * share)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_DETAIL_LETTERS]


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # a broken EXIF block leaves a good photo upright
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64) * _SIXTEEN_TO_EIGHT_BITS
        grey = np.clip(np.rint(wide), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if "transparency" in image.info or image.mode in ("PA", "LA"):
        image = image.convert("RGBA")
    return image.convert("RGB")
