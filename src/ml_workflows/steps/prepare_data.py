"""``prepare_data``: look at every photo, set aside what cannot be used, deal the splits."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_workflows.data.photos import Facts
from ml_workflows.data.sources import ListedPhoto, Listing
from ml_workflows.data.splits import Split, SplitPhoto, deal, write_split
from ml_workflows.data.tables import write_table
from ml_workflows.errors import DataFault
from ml_workflows.steps.table import StepContext

Examined = tuple[ListedPhoto, Facts]


def prepare_data(
    context: StepContext,
    *,
    listing: Path,
    out: Path,
    random_seed: int,
    train_ratio: float,
    val_ratio: float,
    test_ratio: float,
    max_photo_bytes: int,
    max_photo_pixels: int,
    max_quarantine_share: float,
) -> dict[str, float]:
    """Verify each listed photo by decoding it, and deal the good ones into stratified splits.

    Raises:
        DataFault: no photos, too many broken ones, or a class that cannot be split.
    """
    listed = Listing.from_text(listing.read_text(encoding="utf-8"))
    facts = context.photos.examine(
        listed.photos,
        max_photo_bytes=max_photo_bytes,
        max_photo_pixels=max_photo_pixels,
        advance=context.counting("examining photos", len(listed.photos)),
    )
    labels = _labels_by_content(listed)
    examined = [
        (photo, _as_labelled(found, photo, labels[photo.sha256]))
        for photo, found in zip(listed.photos, facts, strict=True)
    ]
    good = [(photo, found) for photo, found in examined if not found.reason]
    quarantined = [(photo, found) for photo, found in examined if found.reason]
    _check_share(listed, quarantined, max_quarantine_share)
    _check_classes(listed, good)
    ratios = {"train": train_ratio, "val": val_ratio, "test": test_ratio}
    splits = deal(map(_split_photo, good), ratios=ratios, random_seed=random_seed)
    for name, split in splits.items():
        write_split(split, out / f"{name}_split.parquet")
    _write_quarantine(quarantined, out / "quarantine.parquet")
    metrics = _metrics(splits, good, quarantined, listed)
    (out / "data_prep_metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    return {"photosDecoded": context.photos.decoded}


def _labels_by_content(listed: Listing) -> dict[str, list[str]]:
    """The labels under which the same bytes are found, by their digest."""
    labels: dict[str, set[str]] = defaultdict(set)
    for photo in listed.photos:
        labels[photo.sha256].update({photo.label} - {""})
    return {digest: sorted(found) for digest, found in labels.items()}


def _as_labelled(facts: Facts, photo: ListedPhoto, labels: list[str]) -> Facts:
    """The facts, or why the photo's label makes it unusable."""
    if facts.reason:
        return facts
    if not photo.label:
        detail = "the photo lies beside the class folders, not in one"
        return Facts(reason="no_class", detail=detail)
    if len(labels) > 1:
        detail = f"the same bytes are labelled {' and '.join(labels)}"
        return Facts(reason="contradicting_labels", detail=detail)
    return facts


def _check_classes(listed: Listing, good: Sequence[Examined]) -> None:
    """No class may disappear because all its photos were set aside."""
    lost = {photo.label for photo in listed.photos} - {photo.label for photo, _ in good} - {""}
    for label in sorted(lost):
        raise DataFault(
            f"no photo of the class {label!r} can be used",
            remedy="Mend its photos or take its folder away.",
        )


def _split_photo(examined: Examined) -> SplitPhoto:
    photo, facts = examined
    return SplitPhoto(
        key=photo.key,
        label=photo.label,
        sha256=photo.sha256,
        bytes=photo.bytes,
        width=facts.width,
        height=facts.height,
        group=photo.sha256,
    )


def _check_share(listed: Listing, quarantined: Sequence[Examined], most: float) -> None:
    if not listed.photos:
        raise DataFault(
            "there are no photos",
            seen=f"{len(listed.ignored)} other files",
            remedy="Put JPEG, PNG, WebP, BMP, GIF or TIFF photos into one sub-folder a class.",
        )
    share = len(quarantined) / len(listed.photos)
    if share > most:
        reasons = Counter(facts.reason for _, facts in quarantined)
        worst = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        photo, facts = quarantined[0]
        raise DataFault(
            f"{len(quarantined)} of {len(listed.photos)} photos cannot be used: {worst};"
            f" the first is {photo.key!r}: {facts.detail}",
            seen=f"{share:.1%}, max_quarantine_share is {most:.1%}",
            remedy="Mend the photos, or raise --max-quarantine-share to go on without them.",
        )


def _write_quarantine(quarantined: Sequence[Examined], path: Path) -> None:
    columns = ("key", "label", "sha256", "reason", "detail")
    rows = [
        dict(zip(columns, (p.key, p.label, p.sha256, f.reason, f.detail), strict=True))
        for p, f in quarantined
    ]
    schema = pa.schema([(name, pa.string()) for name in columns])
    write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _metrics(
    splits: dict[str, Split],
    good: Sequence[Examined],
    quarantined: Sequence[Examined],
    listed: Listing,
) -> dict[str, Any]:
    counts = {
        name: Counter(photo.label for photo in split.photos) for name, split in splits.items()
    }
    classes = splits["train"].classes
    widths = [facts.width for _, facts in good]
    heights = [facts.height for _, facts in good]
    return {
        "photoCount": len(good),
        **{f"{name}Size": len(split.photos) for name, split in splits.items()},
        "quarantineSize": len(quarantined),
        "quarantineReasons": dict(sorted(Counter(f.reason for _, f in quarantined).items())),
        "ignoredFiles": len(listed.ignored),
        "totalBytes": sum(photo.bytes for photo, _ in good),
        "classes": {label: {name: counts[name][label] for name in splits} for label in classes},
        "formats": dict(sorted(Counter(facts.format for _, facts in good).items())),
        "minWidthPx": min(widths),
        "maxWidthPx": max(widths),
        "minHeightPx": min(heights),
        "maxHeightPx": max(heights),
    }
