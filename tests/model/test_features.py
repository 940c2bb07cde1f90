"""A photo passes through a backbone once, with the same bits whatever runs beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx.numpy_helper
import onnx.parser
import pytest
from PIL import Image

from ml_workflows import parallel
from ml_workflows.data.photos import Photos
from ml_workflows.data.preprocessing import to_input, to_pixels
from ml_workflows.data.sources import open_source
from ml_workflows.data.splits import SplitPhoto
from ml_workflows.errors import DataFault
from ml_workflows.model.features import FEATURES_A_WRITE, Extraction, extract_features
from ml_workflows.model.runtime import open_session

SIZE = (40, 30)


def backbone(seed: int = 0) -> bytes:
    """A backbone of one convolution: ``pixels`` to ``features [N, 576]``."""
    model = onnx.parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    backbone (float[N, 3, 224, 224] pixels) => (float[N, 576] features)
    {
        small = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (pixels)
        conv = Conv <strides = [2, 2]> (small, weight)
        active = HardSwish (conv)
        pooled = GlobalAveragePool (active)
        features = Flatten <axis = 1> (pooled)
    }
    """)
    weight = np.random.default_rng(seed).normal(size=(576, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def row(folder: Path, key: str) -> SplitPhoto:
    content = (folder / key).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return SplitPhoto(
        key=key,
        label="snow",
        sha256=digest,
        bytes=len(content),
        width=SIZE[0],
        height=SIZE[1],
        group=digest,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos, and a copy of the first."""
    folder = tmp_path / "photos"
    (folder / "snow").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(5):
        noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "snow" / f"{number}.png")
    (folder / "snow" / "copy.png").write_bytes((folder / "snow" / "0.png").read_bytes())
    return folder


@pytest.fixture
def photos(folder: Path, tmp_path: Path) -> Iterator[Photos]:
    photos = Photos(open_source(str(folder)), cache_folder=tmp_path / "pixels")
    yield photos
    photos.close()


@pytest.fixture
def rows(folder: Path) -> list[SplitPhoto]:
    return [row(folder, f"snow/{number}.png") for number in range(5)]


def extract(
    photos: Photos, rows: list[SplitPhoto], cache_folder: Path, *, seed: int = 0
) -> Extraction:
    seen: list[int] = []
    extraction = extract_features(
        backbone(seed), photos, rows, cache_folder=cache_folder, advance=seen.append
    )
    assert sum(seen) == len(rows)
    return extraction


def test_features_are_those_of_the_backbone_on_the_pixels_of_training(
    photos: Photos, rows: list[SplitPhoto], folder: Path, tmp_path: Path
) -> None:
    extraction = extract(photos, rows, tmp_path)
    session = open_session(backbone())
    for one, features in zip(rows, extraction.features, strict=True):
        with Image.open(folder / one.key) as image:
            pixels = to_pixels(image.convert("RGB"))
        (expected,) = session.run(None, {"pixels": to_input(pixels[None])})
        assert features.tobytes() == expected[0].tobytes()
    assert extraction.features.dtype == np.float32
    assert extraction.features.shape == (5, 576)


def test_the_same_photos_are_extracted_once(
    photos: Photos, rows: list[SplitPhoto], tmp_path: Path
) -> None:
    first = extract(photos, rows, tmp_path)
    again = extract(photos, rows, tmp_path)
    assert (first.extracted, again.extracted) == (5, 0)
    assert again.features.tobytes() == first.features.tobytes()


def test_new_photos_cost_only_themselves(
    photos: Photos, rows: list[SplitPhoto], tmp_path: Path
) -> None:
    some = extract(photos, rows[1:3], tmp_path)
    more = extract(photos, rows, tmp_path)
    assert (some.extracted, more.extracted) == (2, 3)
    assert more.features[1:3].tobytes() == some.features.tobytes()


def test_another_order_gives_each_photo_its_own_features(
    photos: Photos, rows: list[SplitPhoto], tmp_path: Path
) -> None:
    there = extract(photos, rows, tmp_path).features
    back = extract(photos, rows[::-1], tmp_path).features
    assert back[::-1].tobytes() == there.tobytes()


def test_duplicates_are_extracted_once_and_have_the_same_features(
    photos: Photos, rows: list[SplitPhoto], folder: Path, tmp_path: Path
) -> None:
    copy = row(folder, "snow/copy.png")
    extraction = extract(photos, [rows[0], copy, rows[1], rows[0]], tmp_path)
    assert extraction.extracted == 2
    assert len(extraction.features) == 4
    assert len({extraction.features[i].tobytes() for i in (0, 1, 3)}) == 1


def test_another_backbone_has_another_cache(
    photos: Photos, rows: list[SplitPhoto], tmp_path: Path
) -> None:
    one = extract(photos, rows, tmp_path, seed=1)
    other = extract(photos, rows, tmp_path, seed=2)
    assert (one.extracted, other.extracted) == (5, 5)
    assert not np.array_equal(one.features, other.features)
    assert extract(photos, rows, tmp_path, seed=1).extracted == 0


def test_one_core_and_many_give_the_same_bits(
    photos: Photos, rows: list[SplitPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for cores in (1, 2, 5):
        monkeypatch.setattr(parallel, "cores", lambda count=cores: count)
        extraction = extract(photos, rows, tmp_path / str(cores))
        assert extraction.extracted == 5
        found.add(extraction.features.tobytes())
    assert len(found) == 1


def test_a_photo_that_changed_is_refused_and_what_was_extracted_before_is_kept(
    photos: Photos, rows: list[SplitPhoto], folder: Path, tmp_path: Path
) -> None:
    extract(photos, rows[:3], tmp_path)
    (folder / rows[4].key).write_bytes(b"another photo")
    with pytest.raises(DataFault, match=r"snow/4\.png' changed"):
        extract(photos, rows, tmp_path)
    assert extract(photos, rows[:3], tmp_path).extracted == 0


def test_more_photos_than_are_written_at_a_time_are_all_kept(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    (folder / "snow").mkdir(parents=True)
    count = FEATURES_A_WRITE + 3
    for number in range(count):
        Image.new("RGB", SIZE, (number, 2 * number, 3 * number)).save(
            folder / "snow" / f"{number}.png"
        )
    rows = [row(folder, f"snow/{number}.png") for number in range(count)]
    photos = Photos(open_source(str(folder)), cache_folder=tmp_path / "pixels")
    try:
        assert extract(photos, rows, tmp_path).extracted == count
        assert extract(photos, rows, tmp_path).extracted == 0
    finally:
        photos.close()
