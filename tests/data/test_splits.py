"""Splits are fair, whole, and the same for the same photos and seed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.data.splits import Split, SplitPhoto, deal, read_split, targets, write_split
from ml_workflows.errors import DataFault
from ml_workflows.parameters import SPLITS
from ml_workflows.store.digests import digest_bytes

RATIOS = {"train": 0.8, "val": 0.1, "test": 0.1}


def photo(label: str, number: int, *, group: str | None = None) -> SplitPhoto:
    sha256 = digest_bytes(f"{label} {number}".encode())
    return SplitPhoto(
        key=f"{label}/{number}.jpg",
        label=label,
        sha256=sha256,
        bytes=1000 + number,
        width=640,
        height=480,
        group=group or sha256,
    )


def single(sizes: Mapping[str, int]) -> list[SplitPhoto]:
    """Photos that are all different."""
    return [photo(label, number) for label, size in sizes.items() for number in range(size)]


def grouped(sizes: Mapping[str, Sequence[int]]) -> list[SplitPhoto]:
    """Photos of each class in groups of these sizes."""
    return [
        photo(label, 1000 * group + number, group=f"{label} group {group}")
        for label, groups in sizes.items()
        for group, size in enumerate(groups)
        for number in range(size)
    ]


labels = st.text(min_size=1, max_size=8)
class_sizes = st.dictionaries(labels, st.integers(3, 60), min_size=2, max_size=5)
group_sizes = st.dictionaries(
    labels, st.lists(st.integers(1, 12), min_size=3, max_size=12), min_size=2, max_size=4
)
seeds = st.integers(0, 2**32 - 1)
ratios = (
    st.lists(st.integers(1, 99), min_size=2, max_size=2, unique=True)
    .map(sorted)
    .map(lambda cut: (cut[0] / 100, (cut[1] - cut[0]) / 100, (100 - cut[1]) / 100))
    .map(lambda shares: dict(zip(SPLITS, shares, strict=True)))
)


def photos_of(splits: Mapping[str, Split]) -> list[SplitPhoto]:
    return [photo for split in splits.values() for photo in split.photos]


@settings(deadline=None)
@given(sizes=group_sizes, ratios=ratios, seed=seeds)
def test_every_photo_is_in_exactly_one_split(
    sizes: dict[str, list[int]], ratios: dict[str, float], seed: int
) -> None:
    photos = grouped(sizes)
    splits = deal(photos, ratios=ratios, random_seed=seed)
    assert tuple(splits) == SPLITS
    assert sorted(photos_of(splits), key=lambda p: p.key) == sorted(photos, key=lambda p: p.key)


@settings(deadline=None)
@given(sizes=group_sizes, ratios=ratios, seed=seeds)
def test_groups_are_never_torn_and_every_split_has_every_class(
    sizes: dict[str, list[int]], ratios: dict[str, float], seed: int
) -> None:
    splits = deal(grouped(sizes), ratios=ratios, random_seed=seed)
    groups = [{photo.group for photo in split.photos} for split in splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    for split in splits.values():
        assert {photo.label for photo in split.photos} == set(sizes)


@settings(deadline=None)
@given(sizes=class_sizes, ratios=ratios, seed=seeds)
def test_each_class_of_different_photos_is_within_one_of_its_ratio_but_at_least_one(
    sizes: dict[str, int], ratios: dict[str, float], seed: int
) -> None:
    splits = deal(single(sizes), ratios=ratios, random_seed=seed)
    for label, size in sizes.items():
        lifted = sum(size * ratio < 1 for ratio in ratios.values())
        for name, split in splits.items():
            count = sum(photo.label == label for photo in split.photos)
            exact = size * ratios[name]
            assert count >= 1
            if exact < 1:
                assert count <= 1 + (exact > 0.99)
            elif not lifted:
                assert abs(count - exact) < 1 + 1e-9
            else:  # it gave to those that would have had none
                assert -1 - lifted < count - exact < 1 + 1e-9


@settings(deadline=None)
@given(count=st.integers(3, 100_000), ratios=ratios)
def test_targets_are_whole_and_sum_to_the_count(count: int, ratios: dict[str, float]) -> None:
    found = targets(count, ratios)
    assert sum(found.values()) == count
    assert min(found.values()) >= 1


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, [1, 1, 1]), (4, [2, 1, 1]), (10, [8, 1, 1]), (30, [24, 3, 3]), (1000, [800, 100, 100])],
)
def test_targets_of_the_usual_ratios(count: int, expected: list[int]) -> None:
    assert list(targets(count, RATIOS).values()) == expected


@settings(deadline=None)
@given(sizes=group_sizes, seed=seeds, random=st.randoms(use_true_random=False))
def test_the_order_of_the_photos_does_not_matter(
    sizes: dict[str, list[int]], seed: int, random: object
) -> None:
    photos = grouped(sizes)
    shuffled = sorted(photos, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert deal(shuffled, ratios=RATIOS, random_seed=seed) == deal(
        photos, ratios=RATIOS, random_seed=seed
    )


@settings(deadline=None)
@given(sizes=class_sizes, other=st.integers(3, 60), seed=seeds)
def test_other_classes_do_not_matter(sizes: dict[str, int], other: int, seed: int) -> None:
    def hands(sizes: dict[str, int]) -> dict[str, set[str]]:
        splits = deal(single(sizes), ratios=RATIOS, random_seed=seed)
        return {
            name: {photo.key for photo in split.photos if photo.label == label}
            for name, split in splits.items()
        }

    label = next(iter(sizes))
    assert hands(sizes) == hands({label: sizes[label], "another class": other})


@settings(deadline=None)
@given(seed=seeds)
def test_the_same_seed_gives_the_same_splits(seed: int) -> None:
    photos = single({"snow": 10, "rain": 12})
    assert deal(photos, ratios=RATIOS, random_seed=seed) == deal(
        photos, ratios=RATIOS, random_seed=seed
    )


@settings(deadline=None)
@given(seed=seeds, other=seeds)
def test_another_seed_gives_other_splits_of_the_same_sizes(seed: int, other: int) -> None:
    photos = single({"snow": 40, "rain": 40})
    one = deal(photos, ratios=RATIOS, random_seed=seed)
    two = deal(photos, ratios=RATIOS, random_seed=other)
    assert (one == two) == (seed == other)
    assert [len(s.photos) for s in one.values()] == [len(s.photos) for s in two.values()]


def test_two_classes_of_the_same_size_are_not_dealt_alike() -> None:
    splits = deal(single({"snow": 40, "rain": 40}), ratios=RATIOS, random_seed=1)
    numbers = {
        label: {p.key.partition("/")[2] for p in splits["val"].photos if p.label == label}
        for label in ("snow", "rain")
    }
    assert numbers["snow"] != numbers["rain"]


def test_photos_are_spread_over_the_splits_by_chance() -> None:
    """Over many seeds each photo is in the test split about as often as any other."""
    photos = single({"snow": 10, "rain": 10})
    seen = Counter(
        p.key
        for seed in range(400)
        for p in deal(photos, ratios=RATIOS, random_seed=seed)["test"].photos
    )
    assert len(seen) == 20
    assert max(abs(count - 40) for count in seen.values()) < 30


def test_groups_of_a_few_copies_come_close_to_the_ratios() -> None:
    photos = grouped({"snow": [2, 1, 3] * 20, "rain": [1] * 60})
    splits = deal(photos, ratios=RATIOS, random_seed=1)
    snow = [sum(p.label == "snow" for p in split.photos) for split in splits.values()]
    assert snow == [96, 12, 12]


@pytest.mark.parametrize("seed", range(20))
def test_one_large_group_does_not_swell_a_small_split(seed: int) -> None:
    photos = grouped({"snow": [30] + [1] * 70, "rain": [1] * 10})
    splits = deal(photos, ratios=RATIOS, random_seed=seed)
    snow = [sum(p.label == "snow" for p in split.photos) for split in splits.values()]
    assert snow == [80, 10, 10]


def test_a_photo_that_changes_under_its_name_stays_in_its_split() -> None:
    photos = single({"snow": 30, "rain": 30})
    edited = [replace(p, sha256="e" * 64, group="e" * 64) if p is photos[7] else p for p in photos]
    before = deal(photos, ratios=RATIOS, random_seed=1)
    after = deal(edited, ratios=RATIOS, random_seed=1)
    for name in SPLITS:
        assert [p.key for p in before[name].photos] == [p.key for p in after[name].photos]


def test_photos_lie_in_the_order_of_their_keys() -> None:
    for split in deal(single({"snow": 20, "rain": 9}), ratios=RATIOS, random_seed=1).values():
        keys = [photo.key for photo in split.photos]
        assert keys == sorted(keys)


@settings(deadline=None)
@given(sizes=class_sizes)
def test_every_split_has_the_map_of_all_classes_in_order(sizes: dict[str, int]) -> None:
    for split in deal(single(sizes), ratios=RATIOS, random_seed=0).values():
        assert split.classes == tuple(sorted(sizes))
        assert [split.classes[index] for index in split.labels()] == [p.label for p in split.photos]


@pytest.mark.parametrize("size", [1, 2])
def test_a_class_that_is_too_small_is_refused_by_name(size: int) -> None:
    with pytest.raises(DataFault, match=f"'rain' has too few.*seen: {size}.*Add photos"):
        deal(single({"snow": 10, "rain": size}), ratios=RATIOS, random_seed=1)


def test_copies_of_one_photo_are_not_enough_for_a_class() -> None:
    photos = grouped({"snow": [1] * 10, "rain": [50, 50]})
    with pytest.raises(DataFault, match=r"'rain' has too few different photos.*seen: 2"):
        deal(photos, ratios=RATIOS, random_seed=1)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(DataFault, match=r"at least two classes.*seen: 1 class: 'snow'"):
        deal(single({"snow": 10}), ratios=RATIOS, random_seed=1)


def test_no_photos_are_refused() -> None:
    with pytest.raises(DataFault, match=r"at least two classes.*seen: 0 class"):
        deal([], ratios=RATIOS, random_seed=1)


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    sizes = {"schnee ☃": 10, "<script>": 5, "new\nline": 4, '"': 4, "\u202e": 3}
    for name, split in deal(single(sizes), ratios=RATIOS, random_seed=1).items():
        write_split(split, tmp_path / name)
        assert read_split(tmp_path / name) == split


def test_the_same_split_gives_the_same_bytes(tmp_path: Path) -> None:
    photos = single({"snow": 100, "rain": 50})
    for name in ("one", "two"):
        write_split(deal(photos, ratios=RATIOS, random_seed=1)["train"], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_class_map_that_differs_changes_the_bytes(tmp_path: Path) -> None:
    photos = (photo("snow", 1),)
    write_split(Split(classes=("rain", "snow"), photos=photos), tmp_path / "one")
    write_split(Split(classes=("fog", "snow"), photos=photos), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()
