"""An RGB photo to the network's input: the evaluation preset of torchvision's ImageNet weights.

Resize the short side to 256 px (bilinear, antialiased), crop the centre 224 x 224 px, divide by
255, normalise by channel. Sizes and offsets are rounded as torchvision rounds them. Only the part
of the photo under the crop is resized. :mod:`ml_workflows.model.preprocessing_graph` says the
same in ONNX.

Source: https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.mobilenet_v3_small.html
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

RESIZE_PX = 256
CROP_PX = 224
#: A JPEG may be decoded smaller as long as its short side is twice what it is resized to.
LEAST_DECODED_PX = 2 * RESIZE_PX
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def crop_box(width: int, height: int) -> tuple[float, float, float, float]:
    """The part of a photo that the network sees: left, top, right, bottom in px."""
    short = min(width, height)
    resized_width = RESIZE_PX * width // short
    resized_height = RESIZE_PX * height // short
    left = round((resized_width - CROP_PX) / 2)
    top = round((resized_height - CROP_PX) / 2)
    return (
        left * width / resized_width,
        top * height / resized_height,
        min((left + CROP_PX) * width / resized_width, width),
        min((top + CROP_PX) * height / resized_height, height),
    )


def to_pixels(
    image: Image.Image, *, width: int | None = None, height: int | None = None
) -> npt.NDArray[np.uint8]:
    """What the network sees of an RGB photo: ``[224, 224, 3] uint8``.

    ``width`` and ``height`` are those of the whole photo where ``image`` is a smaller one of it.
    """
    whole = (width or image.width, height or image.height)
    across, down = image.width / whole[0], image.height / whole[1]
    left, top, right, bottom = crop_box(*whole)
    box = (left * across, top * down, right * across, bottom * down)
    resized = image.resize((CROP_PX, CROP_PX), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, dtype=np.uint8)


def to_input(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """``[N, 224, 224, 3] uint8`` to the network's input ``[N, 3, 224, 224] float32``."""
    normalised = np.empty((len(pixels), 3, CROP_PX, CROP_PX), dtype=np.float32)
    for channel, values in enumerate(_normalised_values()):
        np.take(values, pixels[..., channel], out=normalised[:, channel], mode="clip")
    return normalised


@cache
def _normalised_values() -> npt.NDArray[np.float32]:
    """``(value / 255 - mean) / std`` of every grey value: ``[3, 256] float32``.

    Looking values up gives the same bits as computing them, in a seventh of the time.
    """
    unit = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = (np.array(values, dtype=np.float32)[:, None] for values in (MEAN, STD))
    return (unit - mean) / std
