"""What the network sees of a photo is what torchvision's preset would show it."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, functional

from ml_workflows.data.preprocessing import CROP_PX, MEAN, STD, crop_box, to_input, to_pixels
from tests.data.photo_files import noise

SIZES = [(1, 1), (1, 20), (20, 1), (224, 224), (256, 256), (257, 255), (640, 480), (333, 1999)]

sides = st.integers(1, 2000)


def torchvision_pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    resized = functional.resize(image, [256], InterpolationMode.BILINEAR, antialias=True)
    return np.asarray(functional.center_crop(resized, [224, 224]), dtype=np.uint8)


def difference(image: Image.Image) -> int:
    ours, theirs = to_pixels(image).astype(int), torchvision_pixels(image).astype(int)
    return int(np.abs(ours - theirs).max())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pixels_equal_those_of_torchvision(width: int, height: int) -> None:
    assert difference(noise(width, height)) <= 1


@settings(deadline=None, max_examples=60)
@given(width=sides, height=sides)
@example(width=1999, height=100)
@example(width=100, height=1999)
def test_pixels_equal_those_of_torchvision_for_any_size(width: int, height: int) -> None:
    assume(max(width, height) <= 20 * min(width, height))
    assert difference(noise(width, height, seed=width)) <= 1


@settings(deadline=None)
@given(width=sides, height=sides)
def test_the_crop_lies_within_the_photo(width: int, height: int) -> None:
    left, top, right, bottom = crop_box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_plain_photo_stays_plain(value: int) -> None:
    pixels = to_pixels(Image.new("RGB", (300, 200), (value, value, value)))
    assert pixels.shape == (CROP_PX, CROP_PX, 3)
    assert np.all(pixels == value)


def all_values() -> npt.NDArray[np.uint8]:
    """Two pictures with every grey value in every channel."""
    values = np.arange(2 * CROP_PX * CROP_PX * 3, dtype=np.int64) * 7 % 256
    return values.astype(np.uint8).reshape(2, CROP_PX, CROP_PX, 3)


def test_the_input_is_scaled_and_normalised_bit_for_bit() -> None:
    pixels = all_values()
    mean, std = np.array(MEAN, dtype=np.float32), np.array(STD, dtype=np.float32)
    expected = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    found = to_input(pixels)
    assert found.dtype == np.float32
    assert found.tobytes() == np.ascontiguousarray(expected.transpose(0, 3, 1, 2)).tobytes()


def test_the_input_is_that_of_torchvision_bit_for_bit() -> None:
    pixels = all_values()
    for picture, found in zip(pixels, to_input(pixels), strict=True):
        tensor = functional.to_tensor(Image.fromarray(picture))
        expected = functional.normalize(tensor, list(MEAN), list(STD))
        assert torch.equal(torch.from_numpy(found), expected)


def test_no_photos_give_no_input() -> None:
    assert to_input(all_values()[:0]).shape == (0, 3, CROP_PX, CROP_PX)


def test_each_photo_is_normalised_for_itself() -> None:
    pixels = all_values()
    assert np.array_equal(to_input(pixels)[1:], to_input(pixels[1:]))
