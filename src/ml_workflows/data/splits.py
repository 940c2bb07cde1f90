"""Splits: who is in which, dealt fairly and written as small Parquet tables."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa

from ml_workflows.data.tables import read_table, write_table
from ml_workflows.errors import DataFault
from ml_workflows.parameters import SPLITS


@dataclass(frozen=True, kw_only=True)
class SplitPhoto:
    """One row of a split. Photos of one ``group`` are copies of each other."""

    key: str
    label: str
    sha256: str
    bytes: int
    width: int
    height: int
    group: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """Photos of one split, and the class map: all classes in label order."""

    classes: tuple[str, ...]
    photos: tuple[SplitPhoto, ...]

    def labels(self) -> list[int]:
        """The class index of each photo."""
        index = {name: position for position, name in enumerate(self.classes)}
        return [index[photo.label] for photo in self.photos]


def deal(
    photos: Iterable[SplitPhoto], *, ratios: Mapping[str, float], random_seed: int
) -> dict[str, Split]:
    """Deal photos into splits, class by class, towards ``ratios``.

    The order within a class comes from a digest of seed, label and first key, so neither the order
    of the photos nor other classes matter. Photos of one group stay together. Each split gets at
    least one group of each class.

    Raises:
        DataFault: there are fewer than two classes, or a class has fewer groups than splits.
    """
    by_class: dict[str, dict[str, list[SplitPhoto]]] = defaultdict(lambda: defaultdict(list))
    for photo in photos:
        by_class[photo.label][photo.group].append(photo)
    _check_classes(by_class)
    dealt: dict[str, list[SplitPhoto]] = {split: [] for split in ratios}
    for label, groups in sorted(by_class.items()):
        order = sorted(groups.values(), key=lambda group: _lot(random_seed, label, group))
        hands = _deal_class(order, ratios)
        for split, hand in hands.items():
            dealt[split] += hand
    classes = tuple(sorted(by_class))
    return {
        split: Split(classes=classes, photos=tuple(sorted(hand, key=lambda photo: photo.key)))
        for split, hand in dealt.items()
    }


def targets(count: int, ratios: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to ``count``, each within one of its ratio but at least one.

    Largest remainders: https://en.wikipedia.org/wiki/Quota_method
    """
    exact = {split: count * ratio for split, ratio in ratios.items()}
    whole = {split: int(share) for split, share in exact.items()}
    by_remainder = sorted(ratios, key=lambda split: whole[split] - exact[split])
    for split in by_remainder[: count - sum(whole.values())]:
        whole[split] += 1
    for split in ratios:
        if whole[split] == 0:
            whole[max(whole, key=lambda name: whole[name])] -= 1
            whole[split] = 1
    return whole


def write_split(split: Split, path: Path) -> None:
    """Write the table; the class map goes into the schema's metadata. Same split, same bytes."""
    columns = [field.name for field in fields(SplitPhoto)]
    types = [
        pa.int64() if name in ("bytes", "width", "height") else pa.string() for name in columns
    ]
    schema = pa.schema(
        list(zip(columns, types, strict=True)), metadata={"classes": json.dumps(split.classes)}
    )
    rows = [asdict(photo) for photo in split.photos]
    write_table(pa.Table.from_pylist(rows, schema=schema), path)


def read_split(path: Path) -> Split:
    """The split that :func:`write_split` wrote."""
    table = read_table(path)
    classes = json.loads(table.schema.metadata[b"classes"])
    photos = tuple(SplitPhoto(**row) for row in table.to_pylist())
    return Split(classes=tuple(classes), photos=photos)


def _lot(random_seed: int, label: str, group: Sequence[SplitPhoto]) -> bytes:
    """The group's place in the order; a photo that changes under its name keeps it."""
    first = min(photo.key for photo in group)
    return hashlib.sha256(json.dumps([random_seed, label, first]).encode()).digest()


def _deal_class(
    groups: Sequence[Sequence[SplitPhoto]], ratios: Mapping[str, float]
) -> dict[str, list[SplitPhoto]]:
    """Each split is filled with groups, smallest ratio first, until it has its target."""
    wanted = targets(sum(map(len, groups)), ratios)
    hands: dict[str, list[SplitPhoto]] = {split: [] for split in ratios}
    filling = sorted(ratios, key=lambda split: (ratios[split], SPLITS.index(split)))
    waiting = list(groups)
    for later, split in enumerate(filling[:-1], start=1):
        keep_back = len(filling) - later
        while len(hands[split]) < wanted[split] and len(waiting) > keep_back:
            room = wanted[split] - len(hands[split])
            fitting = (i for i, group in enumerate(waiting) if len(group) <= room)
            hands[split] += waiting.pop(next(fitting, 0))
    for group in waiting:
        hands[filling[-1]] += group
    return hands


def _check_classes(by_class: Mapping[str, Mapping[str, object]]) -> None:
    if len(by_class) < 2:
        raise DataFault(
            "a classifier needs photos of at least two classes",
            seen=f"{len(by_class)} class" + "".join(f": {name!r}" for name in by_class),
            remedy="Put each class's photos into a sub-folder of its own, named like the class.",
        )
    for label, groups in sorted(by_class.items()):
        if len(groups) < len(SPLITS):
            raise DataFault(
                f"the class {label!r} has too few different photos for {len(SPLITS)} splits",
                seen=len(groups),
                remedy="Add photos to the class or take its folder away.",
            )
