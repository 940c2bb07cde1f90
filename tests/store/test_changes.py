"""Why a step ran: the parameter, photo, source file or package that changed, by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.data.sources import ListedPhoto, Listing
from ml_workflows.store.changes import explain
from ml_workflows.store.home import Home
from ml_workflows.store.records import Record

STEP = "prepare_data"
PHOTOS = {"snow/a.jpg": "1" * 64, "snow/b.jpg": "2" * 64, "rain/c.jpg": "3" * 64}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def listing(home: Home, photos: Mapping[str, str], *ignored: str) -> str:
    rows = [
        ListedPhoto(key=key, label=key.partition("/")[0], bytes=1, sha256=digest)
        for key, digest in sorted(photos.items())
    ]
    text = Listing(photos=tuple(rows), ignored=ignored).to_text()
    with home.scratch() as scratch:
        return home.objects.add_bytes(text.encode(), scratch=scratch)


def record(*, outcome: str = "ran", step: str = STEP, **ingredients: dict[str, Any]) -> Record:
    parts: dict[str, Any] = {"parameters": {}, "inputs": {}, "source": {}, "packages": {}}
    done = {"outcome": outcome, "key": "f" * 64, "ingredients": {**parts, **ingredients}}
    return {"steps": {step: done}}


def changes(home: Home, before: Record, now: Record) -> list[str]:
    explained = explain(home, now, before)[STEP]
    found: list[str] = explained["changes"]
    assert explained["because"] == (
        "something it depends on changed"
        if found
        else "nothing it depends on changed, but its stored result was damaged or gone"
    )
    return found


def photo_changes(home: Home, now: Mapping[str, str]) -> list[str]:
    return changes(
        home,
        record(inputs={"listing": listing(home, PHOTOS)}),
        record(inputs={"listing": listing(home, now)}),
    )


def test_a_changed_parameter_is_named_with_both_values(home: Home) -> None:
    before = record(parameters={"epochs": 10, "random_seed": 42})
    now = record(parameters={"epochs": 20, "random_seed": 42})
    assert changes(home, before, now) == ["parameter epochs: 10 → 20"]


def test_a_changed_source_file_is_named_without_its_digests(home: Home) -> None:
    before = record(source={"data/decoding.py": "a" * 64, "errors.py": "b" * 64})
    now = record(source={"data/decoding.py": "c" * 64, "errors.py": "b" * 64})
    assert changes(home, before, now) == ["source file data/decoding.py: changed"]


def test_new_and_gone_source_files_are_named(home: Home) -> None:
    before, now = record(source={"old.py": "a" * 64}), record(source={"new.py": "a" * 64})
    assert changes(home, before, now) == ["source file new.py: new", "source file old.py: gone"]


def test_an_upgraded_package_is_named_with_both_versions(home: Home) -> None:
    before, now = record(packages={"numpy": "2.3.0"}), record(packages={"numpy": "2.4.0"})
    assert changes(home, before, now) == ["package numpy: 2.3.0 → 2.4.0"]


def test_a_new_package_is_named_with_its_version(home: Home) -> None:
    assert changes(home, record(), record(packages={"numpy": "2.4.0"})) == [
        "package numpy: new, 2.4.0"
    ]


def test_an_added_photo_is_named(home: Home) -> None:
    assert photo_changes(home, {**PHOTOS, "rain/d.jpg": "4" * 64}) == ["photo rain/d.jpg: added"]


def test_a_removed_photo_is_named(home: Home) -> None:
    now = {key: digest for key, digest in PHOTOS.items() if key != "snow/a.jpg"}
    assert photo_changes(home, now) == ["photo snow/a.jpg: removed"]


def test_a_changed_photo_is_named(home: Home) -> None:
    assert photo_changes(home, {**PHOTOS, "snow/b.jpg": "5" * 64}) == ["photo snow/b.jpg: changed"]


def test_a_photo_that_was_moved_is_removed_here_and_added_there(home: Home) -> None:
    now = {"snow/a.jpg": "1" * 64, "snow/b.jpg": "2" * 64, "snow/c.jpg": "3" * 64}
    assert photo_changes(home, now) == ["photo rain/c.jpg: removed", "photo snow/c.jpg: added"]


def test_many_changed_photos_are_counted(home: Home) -> None:
    many = {f"fog/{number:03}.jpg": "6" * 64 for number in range(100)}
    lines = photo_changes(home, {**PHOTOS, **many})
    assert lines[0] == "photo fog/000.jpg: added"
    assert lines[-1] == "... and 80 more photos"
    assert len(lines) == 21


def test_a_change_of_files_that_are_no_photos_is_told_as_that(home: Home) -> None:
    before = record(inputs={"listing": listing(home, PHOTOS)})
    now = record(inputs={"listing": listing(home, PHOTOS, "notes.txt")})
    assert changes(home, before, now) == ["input listing: files that are no photos changed"]


def test_listings_that_are_gone_are_named_by_digest(home: Home) -> None:
    before, now = (record(inputs={"listing": digit * 64}) for digit in "ab")
    assert changes(home, before, now) == ["input listing: aaaaaaaaaaaa → bbbbbbbbbbbb"]


def test_another_changed_input_is_named_by_digest(home: Home) -> None:
    before = record(inputs={"weights": "none"})
    now = record(inputs={"weights": "d" * 64})
    assert changes(home, before, now) == ["input weights: none → dddddddddddd"]


def test_all_that_changed_is_named(home: Home) -> None:
    before = record(parameters={"epochs": 1}, source={"a.py": "1"}, packages={"numpy": "1"})
    now = record(parameters={"epochs": 2}, source={"a.py": "2"}, packages={"numpy": "2"})
    assert len(changes(home, before, now)) == 3


def test_a_step_that_ran_although_nothing_changed_had_a_damaged_result(home: Home) -> None:
    assert changes(home, record(), record()) == []


def test_a_cached_step_says_that_nothing_changed(home: Home) -> None:
    explained = explain(home, record(outcome="cached"), record())
    assert explained[STEP]["because"] == "nothing it depends on changed"


def test_a_cached_step_with_changes_was_known_from_before(home: Home) -> None:
    now = record(outcome="cached", parameters={"epochs": 2})
    explained = explain(home, now, record(parameters={"epochs": 1}))
    assert "the same combination was computed before" in explained[STEP]["because"]


@pytest.mark.parametrize("base", [None, record(step="train_model")])
def test_without_an_earlier_run_there_is_nothing_to_compare(
    home: Home, base: Record | None
) -> None:
    ran = explain(home, record(), base)[STEP]
    assert ran["because"] == "no earlier run to compare with has this step"
    cached = explain(home, record(outcome="cached"), base)[STEP]
    assert cached["because"] == "its key ffffffffffff was known from another run"
