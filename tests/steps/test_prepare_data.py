"""``prepare_data`` deals every usable photo into one split and says what it set aside."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.data.sources import Listing, open_source
from ml_workflows.data.splits import read_split
from ml_workflows.data.tables import read_table
from ml_workflows.errors import DataFault

pytestmark = pytest.mark.slow

Artifacts = dict[str, Path]
CallStep = Callable[..., tuple[Artifacts, dict[str, float]]]
SPLITS = ("train", "val", "test")


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """The photos of two classes, in a folder that may be changed."""
    for name in ("dew", "rime"):
        shutil.copytree(drawn / name, tmp_path / "photos" / name)
    return tmp_path / "photos"


def prepare(call_step: CallStep, photos: Path, tmp_path: Path, **changed: Any) -> Artifacts:
    listing = tmp_path / "listing.jsonl"
    listed = open_source(str(photos)).list(advance=lambda count: None)
    listing.write_text(listed.to_text(), encoding="utf-8")
    places: dict[str, Any] = {"photos": photos, "home": tmp_path / "home"}
    return call_step("prepare_data", {"listing": listing}, **places, **changed)[0]


def test_every_photo_is_in_exactly_one_split_and_every_class_in_each(artifacts: Artifacts) -> None:
    listing = Listing.from_text(artifacts["listing"].read_text("utf-8"))
    splits = [read_split(artifacts[f"{name}_split"]) for name in SPLITS]
    keys = [photo.key for split in splits for photo in split.photos]
    assert sorted(keys) == [photo.key for photo in listing.photos]
    for split in splits:
        assert {photo.label for photo in split.photos} == set(split.classes)
        assert len(split.classes) == 11


def test_metrics_count_what_the_splits_hold(artifacts: Artifacts) -> None:
    metrics = json.loads(artifacts["data_prep_metrics"].read_text("utf-8"))
    for name in SPLITS:
        split = read_split(artifacts[f"{name}_split"])
        assert metrics[f"{name}Size"] == len(split.photos)
        counts = Counter(photo.label for photo in split.photos)
        assert {label: row[name] for label, row in metrics["classes"].items()} == counts
    assert metrics["photoCount"] == sum(metrics[f"{name}Size"] for name in SPLITS)
    assert metrics["quarantineSize"] == 0
    assert sum(metrics["formats"].values()) == metrics["photoCount"]


def test_a_broken_photo_and_one_outside_the_classes_are_set_aside_with_a_reason(
    call_step: CallStep, photos: Path, tmp_path: Path
) -> None:
    (whole,) = photos.glob("dew/*-0001.*")
    (photos / "rime" / "broken.jpg").write_bytes(whole.read_bytes()[:1000])
    shutil.copy(whole, photos / f"beside{whole.suffix}")
    outputs = prepare(call_step, photos, tmp_path, max_quarantine_share=0.5)
    rows = {row["key"]: row for row in read_table(outputs["quarantine"]).to_pylist()}
    assert set(rows) == {"rime/broken.jpg", f"beside{whole.suffix}"}
    assert all(row["reason"] and row["detail"] for row in rows.values())
    assert rows[f"beside{whole.suffix}"]["reason"] == "no_class"
    metrics = json.loads(outputs["data_prep_metrics"].read_text("utf-8"))
    assert metrics["quarantineSize"] == sum(metrics["quarantineReasons"].values()) == 2


def test_too_many_broken_photos_are_refused_by_name_and_share(
    call_step: CallStep, photos: Path, tmp_path: Path
) -> None:
    for number in range(4):
        (photos / "rime" / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    with pytest.raises(DataFault, match=r"4 of \d+ photos.*broken0\.jpg.*--max-quarantine-share"):
        prepare(call_step, photos, tmp_path, max_quarantine_share=0.1)


def test_a_folder_without_photos_is_refused(call_step: CallStep, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFault, match="there are no photos"):
        prepare(call_step, tmp_path / "empty", tmp_path)
