"""The preprocessing graph gives what training saw: Pillow's pixels, normalised."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from ml_workflows.data.preprocessing import MEAN, STD, to_input, to_pixels
from ml_workflows.model.preprocessing_graph import PHOTOS, PIXELS, preprocessing_model
from ml_workflows.model.runtime import open_session

MakePhoto = Callable[..., Image.Image]
Array = npt.NDArray[Any]

MAX_ASPECT = 20
#: Hypothesis gives the sizes; what it cannot shrink it does not keep.
EXAMPLES = settings(max_examples=60, deadline=None, database=None)
sides = st.integers(1, 900)
seeds = st.integers(0, 2**32 - 1)


@cache
def session() -> Any:
    return open_session(preprocessing_model().SerializeToString())


def graph_pixels(photos: Array) -> Array:
    (pixels,) = session().run([PIXELS], {PHOTOS: photos})
    return np.asarray(pixels)


def grey_values(normalised: Array) -> Array:
    """``[N, 3, 224, 224]`` normalised back to grey values ``[N, 224, 224, 3]``, not rounded."""
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return np.asarray(((normalised * std + mean) * 255).transpose(0, 2, 3, 1))


def difference(photo: Image.Image) -> Array:
    """How many grey values the graph is away from training's pixels, ``[224, 224, 3]``."""
    (grey,) = grey_values(graph_pixels(np.asarray(photo)[None]))
    return np.asarray(np.abs(grey - to_pixels(photo).astype(np.float64)))


def soft_photo(width: int, height: int, seed: int) -> Image.Image:
    colours = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


def noise_photo(width: int, height: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@EXAMPLES
@given(width=sides, height=sides, seed=seeds)
def test_pixels_are_within_one_grey_value_of_pillow(width: int, height: int, seed: int) -> None:
    assume(max(width, height) <= MAX_ASPECT * min(width, height))
    assert difference(soft_photo(width, height, seed)).max() < 1.01


@EXAMPLES
@given(width=sides, height=sides, seed=seeds)
def test_pixels_of_pure_noise_are_hardly_ever_two_grey_values_away(
    width: int, height: int, seed: int
) -> None:
    assume(max(width, height) <= MAX_ASPECT * min(width, height))
    away = difference(noise_photo(width, height, seed))
    assert away.max() < 2.01
    assert (away > 1.01).mean() < 0.001


@pytest.mark.parametrize(
    ("width", "height"),
    [(2000, 1500), (1500, 2000), (4000, 3000), (224, 224), (256, 256), (255, 257), (1, 1), (1, 20)],
)
def test_sizes_of_cameras_and_the_smallest_are_within_one_grey_value(
    make_photo: MakePhoto, width: int, height: int
) -> None:
    assert difference(make_photo(width, height)).max() < 1.01


def test_a_photo_of_one_colour_has_exactly_the_input_of_training() -> None:
    for value in (0, 1, 127, 254, 255):
        photo = np.full((1, 300, 400, 3), value, dtype=np.uint8)
        expected = to_input(np.full((1, 224, 224, 3), value, dtype=np.uint8))
        np.testing.assert_allclose(graph_pixels(photo), expected, rtol=0, atol=1e-6)


@EXAMPLES
@given(width=st.integers(1, 300), height=st.integers(1, 300), seed=seeds)
def test_two_photos_together_are_each_as_alone(width: int, height: int, seed: int) -> None:
    one, other = (np.asarray(noise_photo(width, height, seed + i)) for i in (0, 1))
    together = graph_pixels(np.stack([one, other]))
    alone = np.concatenate([graph_pixels(one[None]), graph_pixels(other[None])])
    assert together.tobytes() == alone.tobytes()


def test_the_model_is_the_same_bytes_every_time() -> None:
    one, other = (preprocessing_model().SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


@pytest.mark.real_data
def test_real_photos_are_within_one_grey_value() -> None:
    folder = os.environ.get("ML_WORKFLOWS_REAL_DATA")
    if not folder:
        pytest.skip("ML_WORKFLOWS_REAL_DATA is not set")
    for path in sorted(Path(folder, "weather4").glob("*/*.jpg"))[::25]:
        with Image.open(path) as image:
            assert difference(image.convert("RGB")).max() < 1.01, path.name
