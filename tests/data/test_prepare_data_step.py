"""``prepare_data`` drops nothing in silence, and stops when too much is broken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.data.photos import Photos
from ml_workflows.data.sources import open_source
from ml_workflows.data.splits import Split, read_split
from ml_workflows.data.tables import read_table
from ml_workflows.errors import DataFault
from ml_workflows.parameters import SPLITS, Parameters
from ml_workflows.steps.prepare_data import prepare_data
from ml_workflows.steps.table import STEPS, StepContext
from ml_workflows.store.digests import digest_bytes
from tests.data.photo_files import encoded, fill, jpeg, noise

STEP = STEPS[0]
GOOD = {
    f"{label}/{number}.jpg": jpeg(40 + number, 30, seed=seed * 100 + number)
    for seed, (label, size) in enumerate({"fog": 20, "rain": 10, "snow": 12}.items())
    for number in range(size)
}
BROKEN = {
    "fog/text.jpg": b"no photo",
    "fog/zero.png": b"",
    "rain/truncated.jpg": GOOD["rain/0.jpg"][:800],
    "snow/large.png": encoded(noise(400, 400), "PNG"),
    "beside.jpg": jpeg(seed=999),
}
REASONS = {
    "fog/text.jpg": "unknown_format",
    "fog/zero.png": "empty",
    "rain/truncated.jpg": "broken",
    "snow/large.png": "too_many_pixels",
    "beside.jpg": "no_class",
}
IGNORED = {"README.md": b"photos", "rain/notes.txt": b"wet"}


class Prepared:
    """What the step gave."""

    def __init__(self, out: Path, measurements: dict[str, float]) -> None:
        self.out = out
        self.measurements = measurements
        self.splits: dict[str, Split] = {
            name: read_split(out / f"{name}_split.parquet") for name in SPLITS
        }
        self.quarantine: list[dict[str, str]] = read_table(out / "quarantine.parquet").to_pylist()
        text = (out / "data_prep_metrics.json").read_text("utf-8")
        self.metrics: dict[str, Any] = json.loads(text)


class Workshop:
    """Runs the step on the photos of a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.photos_folder = root / "photos"
        self.progress: list[tuple[str, int, int]] = []
        self.runs = 0

    def prepare(self, **parameters: Any) -> Prepared:
        """Run the step with these parameters over the defaults."""
        self.runs += 1
        out = self.root / f"out {self.runs}"
        out.mkdir()
        source = open_source(str(self.photos_folder))
        listing = out / "listing"
        listing.write_text(source.list(advance=lambda _: None).to_text(), "utf-8")
        defaults = {name: getattr(Parameters(), name) for name in STEP.parameters}
        photos = Photos(source, cache_folder=self.root / "caches")
        context = StepContext(
            photos=photos,
            photo_caches=self.root / "caches",
            weights_folder=self.root,
            progress=lambda *seen: self.progress.append(seen),
        )
        try:
            measured = prepare_data(context, listing=listing, out=out, **{**defaults, **parameters})
        finally:
            photos.close()
        return Prepared(out, measured)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    yield Workshop(tmp_path)


@pytest.fixture
def mixed(workshop: Workshop) -> Prepared:
    """Good and broken photos and other files."""
    fill(workshop.photos_folder, {**GOOD, **BROKEN, **IGNORED})
    return workshop.prepare(max_quarantine_share=0.2, max_photo_pixels=100_000)


def test_every_output_of_the_step_is_written(mixed: Prepared) -> None:
    assert set(STEP.outputs.values()) | {"listing"} == {path.name for path in mixed.out.iterdir()}


def test_quarantined_photos_are_named_with_label_digest_and_reason(mixed: Prepared) -> None:
    assert {row["key"]: row["reason"] for row in mixed.quarantine} == REASONS
    for row in mixed.quarantine:
        assert row["sha256"] == digest_bytes(BROKEN[row["key"]])
        assert row["label"] == (row["key"].partition("/")[0] if "/" in row["key"] else "")
        assert row["detail"]


def test_good_photos_are_in_exactly_one_split(mixed: Prepared) -> None:
    keys = [photo.key for split in mixed.splits.values() for photo in split.photos]
    assert sorted(keys) == sorted(GOOD)


def test_split_rows_tell_what_the_photo_is(mixed: Prepared) -> None:
    for split in mixed.splits.values():
        for photo in split.photos:
            content = GOOD[photo.key]
            number = int(photo.key.partition("/")[2].removesuffix(".jpg"))
            assert (photo.bytes, photo.sha256) == (len(content), digest_bytes(content))
            assert (photo.width, photo.height) == (40 + number, 30)


def test_nothing_is_dropped_in_silence(mixed: Prepared) -> None:
    metrics = mixed.metrics
    files = len(GOOD) + len(BROKEN) + len(IGNORED)
    assert metrics["photoCount"] + metrics["quarantineSize"] + metrics["ignoredFiles"] == files
    assert metrics["photoCount"] == len(GOOD)
    assert metrics["quarantineReasons"] == dict.fromkeys(sorted(REASONS.values()), 1)


def test_metrics_have_the_names_that_users_know(mixed: Prepared) -> None:
    metrics = mixed.metrics
    for name in SPLITS:
        assert metrics[f"{name}Size"] == len(mixed.splits[name].photos)
    assert metrics["trainSize"] + metrics["valSize"] + metrics["testSize"] == len(GOOD)
    assert metrics["classes"] == {
        "fog": {"train": 16, "val": 2, "test": 2},
        "rain": {"train": 8, "val": 1, "test": 1},
        "snow": {"train": 10, "val": 1, "test": 1},
    }
    assert metrics["formats"] == {"JPEG": len(GOOD)}
    assert metrics["totalBytes"] == sum(map(len, GOOD.values()))
    assert (metrics["minWidthPx"], metrics["maxWidthPx"]) == (40, 59)
    assert (metrics["minHeightPx"], metrics["maxHeightPx"]) == (30, 30)


def test_every_split_has_the_map_of_all_classes(mixed: Prepared) -> None:
    assert {split.classes for split in mixed.splits.values()} == {("fog", "rain", "snow")}


def test_without_broken_photos_the_quarantine_is_an_empty_table(workshop: Workshop) -> None:
    fill(workshop.photos_folder, GOOD)
    table = read_table(workshop.prepare().out / "quarantine.parquet")
    assert table.num_rows == 0
    assert table.column_names == ["key", "label", "sha256", "reason", "detail"]


def test_a_second_time_gives_the_same_bytes_and_decodes_nothing(workshop: Workshop) -> None:
    fill(workshop.photos_folder, {**GOOD, **BROKEN})
    first = workshop.prepare(max_quarantine_share=0.2)
    second = workshop.prepare(max_quarantine_share=0.2)
    assert (first.measurements["photosDecoded"], second.measurements["photosDecoded"]) == (44, 0)
    for name in STEP.outputs.values():
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes()


def test_another_seed_deals_the_same_photos_otherwise(workshop: Workshop) -> None:
    fill(workshop.photos_folder, GOOD)
    one, other = workshop.prepare(random_seed=1), workshop.prepare(random_seed=2)
    assert one.splits != other.splits
    assert one.metrics == other.metrics


def test_progress_ends_when_all_photos_were_examined(workshop: Workshop) -> None:
    fill(workshop.photos_folder, GOOD)
    workshop.prepare()
    assert workshop.progress[-1] == ("examining photos", len(GOOD), len(GOOD))
    assert workshop.progress == sorted(workshop.progress)


def test_more_broken_photos_than_allowed_are_refused_with_count_reason_and_example(
    workshop: Workshop,
) -> None:
    fill(workshop.photos_folder, {**GOOD, **{f"fog/x{n}.jpg": b"text" for n in range(6)}})
    with pytest.raises(DataFault) as caught:
        workshop.prepare(max_quarantine_share=0.1)
    message = str(caught.value)
    assert message.startswith("6 of 48 photos cannot be used: 6 unknown_format; the first is 'fog/")
    assert "(seen: 12.5%, max_quarantine_share is 10.0%)" in message
    assert "--max-quarantine-share" in message


def test_exactly_the_allowed_share_is_accepted(workshop: Workshop) -> None:
    fill(workshop.photos_folder, {**GOOD, **{f"fog/x{n}.jpg": b"text" for n in range(6)}})
    assert workshop.prepare(max_quarantine_share=0.125).metrics["quarantineSize"] == 6


def test_one_broken_photo_is_too_many_when_none_is_allowed(workshop: Workshop) -> None:
    fill(workshop.photos_folder, {**GOOD, "fog/x.jpg": b"text"})
    with pytest.raises(DataFault, match="1 of 43 photos cannot be used"):
        workshop.prepare(max_quarantine_share=0.0)


def test_a_folder_without_photos_is_refused(workshop: Workshop) -> None:
    fill(workshop.photos_folder, IGNORED)
    with pytest.raises(DataFault, match=r"no photos \(seen: 2 other files\).*one sub-folder"):
        workshop.prepare()


def test_only_broken_photos_are_refused_even_when_all_may_be_broken(workshop: Workshop) -> None:
    fill(workshop.photos_folder, BROKEN)
    with pytest.raises(DataFault, match=r"no photo of the class .* can be used"):
        workshop.prepare(max_quarantine_share=1.0, max_photo_pixels=100_000)


def test_a_class_that_is_left_with_too_few_good_photos_is_refused(workshop: Workshop) -> None:
    few = {"hail/1.jpg": jpeg(seed=71), "hail/2.jpg": jpeg(seed=72), "hail/3.jpg": b"text"}
    fill(workshop.photos_folder, {**GOOD, **few})
    with pytest.raises(DataFault, match="'hail' has too few different photos"):
        workshop.prepare()


def test_photos_that_lie_beside_the_classes_make_no_class(workshop: Workshop) -> None:
    fill(workshop.photos_folder, {**GOOD, **{f"{n}.jpg": jpeg(seed=500 + n) for n in range(3)}})
    prepared = workshop.prepare()
    assert prepared.splits["train"].classes == ("fog", "rain", "snow")
    assert prepared.metrics["quarantineReasons"] == {"no_class": 3}


def test_hostile_names_reach_the_tables_as_they_are(workshop: Workshop) -> None:
    label = "<script>alert(1)<|script>\n\u202e'\""
    hostile = {f"{label}/{n}.jpg": jpeg(seed=600 + n) for n in range(3)}
    fill(workshop.photos_folder, {**GOOD, **hostile, f"{label}/x.jpg": b"text"})
    prepared = workshop.prepare()
    assert label in prepared.splits["train"].classes
    assert [row["label"] for row in prepared.quarantine] == [label]


def test_copies_of_a_photo_lie_in_one_split(workshop: Workshop) -> None:
    copies = {f"rain/copy {n}.jpg": GOOD["rain/0.jpg"] for n in range(4)}
    fill(workshop.photos_folder, {**GOOD, **copies})
    splits = workshop.prepare().splits
    wanted = {*copies, "rain/0.jpg"}
    held = [wanted & {photo.key for photo in split.photos} for split in splits.values()]
    assert sorted(map(len, held)) == [0, 0, 5]


def test_the_same_bytes_in_two_classes_are_set_aside_wherever_they_are(workshop: Workshop) -> None:
    twin = GOOD["rain/0.jpg"]
    fill(workshop.photos_folder, {**GOOD, "snow/twin.jpg": twin, "beside.jpg": GOOD["fog/0.jpg"]})
    prepared = workshop.prepare()
    rows = {row["key"]: (row["reason"], row["detail"]) for row in prepared.quarantine}
    contradiction = ("contradicting_labels", "the same bytes are labelled rain and snow")
    assert rows["rain/0.jpg"] == rows["snow/twin.jpg"] == contradiction
    assert set(rows) == {"rain/0.jpg", "snow/twin.jpg", "beside.jpg"}


def test_no_class_disappears_because_all_its_photos_are_broken(workshop: Workshop) -> None:
    fill(workshop.photos_folder, {**GOOD, "hail/1.jpg": b"text"})
    with pytest.raises(DataFault, match="no photo of the class 'hail' can be used"):
        workshop.prepare()
