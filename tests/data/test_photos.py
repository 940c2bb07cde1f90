"""Photos are decoded once, within budgets, and refused when they changed meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ml_workflows.data.decoding import decode
from ml_workflows.data.photos import Facts, Photos
from ml_workflows.data.preprocessing import to_pixels
from ml_workflows.data.sources import ListedPhoto, open_source
from ml_workflows.data.splits import SplitPhoto
from ml_workflows.errors import DataFault
from tests.data.photo_files import fill, jpeg

LARGE = 10_000_000
FILES = {
    "snow/a.jpg": jpeg(40, 30, seed=1),
    "snow/b.jpg": jpeg(30, 40, seed=2),
    "rain/c.jpg": jpeg(60, 60, seed=3),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", FILES)


@contextmanager
def at_work(folder: Path, *, cache: str = "cache") -> Iterator[Photos]:
    photos = Photos(open_source(str(folder)), cache_folder=folder.parent / cache)
    try:
        yield photos
    finally:
        photos.close()


def listed(photos: Photos) -> tuple[ListedPhoto, ...]:
    return photos.source.list(advance=lambda _: None).photos


def examine(photos: Photos, *, max_bytes: int = LARGE, max_pixels: int = LARGE) -> dict[str, Facts]:
    found = listed(photos)
    facts = photos.examine(
        found,
        max_photo_bytes=max_bytes,
        max_photo_pixels=max_pixels,
        advance=lambda _: None,
    )
    return {photo.key: seen for photo, seen in zip(found, facts, strict=True)}


def reasons(facts: dict[str, Facts]) -> dict[str, str]:
    return {key: seen.reason for key, seen in facts.items()}


def in_split(photo: ListedPhoto) -> SplitPhoto:
    return SplitPhoto(**vars(photo), width=1, height=1, group=photo.sha256)


def test_facts_tell_format_and_size_of_each_photo_in_order(folder: Path) -> None:
    with at_work(folder) as photos:
        assert examine(photos) == {
            "rain/c.jpg": Facts(format="JPEG", width=60, height=60),
            "snow/a.jpg": Facts(format="JPEG", width=40, height=30),
            "snow/b.jpg": Facts(format="JPEG", width=30, height=40),
        }
        assert photos.decoded == 3


def test_what_was_examined_once_is_not_decoded_again(folder: Path) -> None:
    with at_work(folder) as photos:
        first = examine(photos)
    with at_work(folder) as photos:
        assert examine(photos) == first
        assert photos.decoded == 0


def test_one_more_photo_costs_one_photo(folder: Path) -> None:
    with at_work(folder) as photos:
        examine(photos)
    fill(folder, {"rain/d.jpg": jpeg(seed=4)})
    with at_work(folder) as photos:
        assert len(examine(photos)) == 4
        assert photos.decoded == 1


def test_a_renamed_photo_costs_nothing(folder: Path) -> None:
    with at_work(folder) as photos:
        examine(photos)
    (folder / "snow").rename(folder / "frost")
    with at_work(folder) as photos:
        assert set(examine(photos)) == {"rain/c.jpg", "frost/a.jpg", "frost/b.jpg"}
        assert photos.decoded == 0


def test_copies_are_decoded_once(folder: Path) -> None:
    fill(folder, {f"snow/copy {number}.jpg": FILES["snow/a.jpg"] for number in range(5)})
    with at_work(folder) as photos:
        facts = examine(photos)
        assert len(facts) == 8
        assert len({facts[key] for key in facts if "copy" in key}) == 1
        assert photos.decoded == 3


def test_more_photos_than_are_written_at_a_time_are_all_remembered(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", {f"a/{n}.jpg": jpeg(2, 2, seed=n) for n in range(70)})
    with at_work(folder) as photos:
        first = examine(photos)
    with at_work(folder) as photos:
        assert examine(photos) == first
        assert photos.decoded == 0


def test_progress_counts_every_photo(folder: Path) -> None:
    fill(folder, {"snow/copy.jpg": FILES["snow/a.jpg"]})
    for _ in range(2):
        counted: list[int] = []
        with at_work(folder) as photos:
            photos.examine(
                listed(photos),
                max_photo_bytes=LARGE,
                max_photo_pixels=LARGE,
                advance=counted.append,
            )
        assert sum(counted) == 4


def test_broken_photos_have_reasons_and_the_others_do_not(folder: Path) -> None:
    broken = {
        "snow/empty.jpg": b"",
        "snow/text.jpg": b"no photo",
        "snow/truncated.jpg": FILES["rain/c.jpg"][:800],
    }
    fill(folder, broken)
    expected = dict.fromkeys(FILES, "") | dict(
        zip(broken, ("empty", "unknown_format", "broken"), strict=True)
    )
    for _ in range(2):
        with at_work(folder) as photos:
            assert reasons(examine(photos)) == expected


def test_a_photo_that_cannot_be_opened_is_unreadable(folder: Path) -> None:
    (folder / "snow" / "linked.jpg").symlink_to("gone")
    with at_work(folder) as photos:
        assert examine(photos)["snow/linked.jpg"].reason == "unreadable"


def test_a_photo_over_a_small_budget_is_accepted_by_a_larger_one(folder: Path) -> None:
    with at_work(folder) as photos:
        assert reasons(examine(photos, max_pixels=2000))["rain/c.jpg"] == "too_many_pixels"
    with at_work(folder) as photos:
        assert set(reasons(examine(photos, max_pixels=3600)).values()) == {""}
        assert photos.decoded == 1


def test_a_photo_that_was_accepted_is_refused_by_a_smaller_budget(folder: Path) -> None:
    with at_work(folder) as photos:
        assert set(reasons(examine(photos)).values()) == {""}
    with at_work(folder) as photos:
        assert reasons(examine(photos, max_pixels=2000)) == {
            "rain/c.jpg": "too_many_pixels",
            "snow/a.jpg": "",
            "snow/b.jpg": "",
        }
    with at_work(folder) as photos:
        assert set(reasons(examine(photos)).values()) == {""}


def test_the_budget_of_bytes_holds_with_and_without_a_cache(folder: Path) -> None:
    limit = len(FILES["rain/c.jpg"]) - 1
    refused = {"rain/c.jpg": "too_many_bytes", "snow/a.jpg": "", "snow/b.jpg": ""}
    with at_work(folder) as photos:
        assert reasons(examine(photos, max_bytes=limit)) == refused
        assert set(reasons(examine(photos)).values()) == {""}
        assert reasons(examine(photos, max_bytes=limit)) == refused


def test_pixels_are_those_of_the_decoded_photo(folder: Path) -> None:
    with at_work(folder) as photos:
        for photo in listed(photos):
            image = decode(FILES[photo.key], max_photo_bytes=LARGE, max_photo_pixels=LARGE).image
            assert np.array_equal(photos.pixels(in_split(photo)), to_pixels(image))


def test_pixels_from_the_cache_are_those_that_were_decoded(folder: Path) -> None:
    with at_work(folder) as photos:
        examine(photos)
        from_cache = {photo.key: photos.pixels(in_split(photo)) for photo in listed(photos)}
        assert photos.decoded == 3
    with at_work(folder, cache="another cache") as photos:
        for photo in listed(photos):
            assert np.array_equal(photos.pixels(in_split(photo)), from_cache[photo.key])
        assert photos.decoded == 3


def test_pixels_that_had_to_be_decoded_are_kept(folder: Path) -> None:
    with at_work(folder) as photos:
        [photo, *_] = map(in_split, listed(photos))
        assert np.array_equal(photos.pixels(photo), photos.pixels(photo))
        assert photos.decoded == 1


def test_pixels_need_no_photos_once_they_are_cached(folder: Path) -> None:
    with at_work(folder) as photos:
        examine(photos)
        found = [in_split(photo) for photo in listed(photos)]
        (folder / "snow" / "a.jpg").unlink()
        assert all(photos.pixels(photo).shape == (224, 224, 3) for photo in found)


@pytest.mark.parametrize("content", [b"", FILES["snow/b.jpg"], FILES["snow/a.jpg"] + b"\0"])
def test_a_photo_that_changed_after_it_was_listed_is_refused_by_name(
    folder: Path, content: bytes
) -> None:
    with at_work(folder) as photos:
        found = listed(photos)
        fill(folder, {"snow/a.jpg": content})
        with pytest.raises(DataFault, match=r"'snow/a\.jpg' changed while the run went on"):
            photos.examine(
                found, max_photo_bytes=LARGE, max_photo_pixels=LARGE, advance=lambda _: None
            )


def test_a_photo_that_was_deleted_after_it_was_listed_is_refused_by_name(folder: Path) -> None:
    with at_work(folder) as photos:
        found = listed(photos)
        (folder / "snow" / "a.jpg").unlink()
        with pytest.raises(DataFault, match=r"'snow/a\.jpg' cannot be read.*Run the command again"):
            photos.examine(
                found, max_photo_bytes=LARGE, max_photo_pixels=LARGE, advance=lambda _: None
            )


def test_a_changed_photo_is_refused_when_its_pixels_or_picture_are_wanted(folder: Path) -> None:
    with at_work(folder) as photos:
        photo = next(in_split(p) for p in listed(photos) if p.key == "snow/a.jpg")
        fill(folder, {"snow/a.jpg": FILES["snow/b.jpg"]})
        for want in (photos.read, photos.image, photos.pixels):
            with pytest.raises(DataFault, match="changed while the run went on"):
                want(photo)


def test_a_photo_back_to_its_old_bytes_is_accepted(folder: Path) -> None:
    with at_work(folder) as photos:
        photo = next(p for p in listed(photos) if p.key == "snow/a.jpg")
        fill(folder, {"snow/a.jpg": b"other"})
        fill(folder, {"snow/a.jpg": FILES["snow/a.jpg"]})
        assert photos.read(photo) == FILES["snow/a.jpg"]


def test_damaged_caches_cost_work_and_no_wrong_facts(folder: Path) -> None:
    with at_work(folder) as photos:
        first = examine(photos)
    for path in (folder.parent / "cache").glob("*.sqlite"):
        path.write_bytes(b"garbage" * 1000)
    with at_work(folder) as photos:
        assert examine(photos) == first
        assert photos.decoded == 3


def test_why_a_broken_photo_is_refused_does_not_depend_on_what_was_asked_before(
    folder: Path,
) -> None:
    whole = (folder / "rain/c.jpg").read_bytes()
    (folder / "rain/c.jpg").write_bytes(whole[: len(whole) // 2])
    with at_work(folder) as photos:
        assert reasons(examine(photos))["rain/c.jpg"] == "broken"
        assert reasons(examine(photos, max_pixels=100))["rain/c.jpg"] == "too_many_pixels"
    with at_work(folder, cache="another") as photos:
        assert reasons(examine(photos, max_pixels=100))["rain/c.jpg"] == "too_many_pixels"
        assert reasons(examine(photos))["rain/c.jpg"] == "broken"
