"""The report page, in two stages.

:func:`render_report` makes the artifact: the same results give the same bytes, so it holds no
clock, path, host or timing. :func:`show_report` fills its slot with what belongs to one run on
one machine. The slot is a pair of HTML comments; no name can forge it, as every name is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ml_workflows.report.record import arrange_run
from ml_workflows.report.rendering import environment, number
from ml_workflows.report.results import arrange_results

SLOT_START = "<!-- ml-workflows:run-record -->"
SLOT_END = "<!-- /ml-workflows:run-record -->"
SHOWN_QUARANTINE = 50
SHOWN_MISTAKES = 24
SHOWN_EPOCHS = 100
BACKBONES = {
    "none": "random weights",
    "imagenet": "ImageNet weights",
    "file": "weights from a file",
}
SPLITS = ("train", "val", "test")

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A test photo that got the wrong label; probabilities are those of the model, 0..1."""

    key: str
    truth: str
    predicted: str
    probability: float
    truth_probability: float
    jpeg: bytes

    @property
    def source(self) -> str:
        """The photo as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True, kw_only=True)
class DataRow:
    """The photos of one class by split; ``width`` is their share of the largest class, 0..1."""

    name: str
    train: int
    val: int
    test: int
    width: float

    @property
    def total(self) -> int:
        """The photos of this class in all splits."""
        return self.train + self.val + self.test


def render_report(
    *,
    preparation: Mapping[str, Any],
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    confusion: Mapping[str, Any],
    quarantine: Sequence[Mapping[str, str]],
    loss_plot: str,
    mistakes: Sequence[Thumbnail],
) -> str:
    """The report artifact: deterministic HTML with one marked slot for the run record.

    ``loss_plot`` is the SVG of :func:`ml_workflows.report.plots.draw_loss_plot` and goes in as
    it is; ``mistakes`` come worst first. Missing keys and None are shown as a dash.

    Raises:
        ValueError: the slot is not there exactly once, so ``loss_plot`` holds one too.
    """
    results = arrange_results(evaluation, confusion)
    history = training.get("history") or []
    report = environment().get_template("page/report.html.j2").render(
        results=results,
        training=_training(training),
        history=history if len(history) <= SHOWN_EPOCHS else [],
        loss_plot=Markup(loss_plot),  # noqa: S704 - our own drawing, which holds no names
        mistakes=mistakes[:SHOWN_MISTAKES],
        mistake_count=max(results.confusion.total - results.confusion.right, len(mistakes)),
        preparation=_preparation(preparation),
        data_rows=_data_rows(preparation, results.confusion.classes),
        quarantine=quarantine[:SHOWN_QUARANTINE],
        quarantine_count=max(preparation.get("quarantineSize") or 0, len(quarantine)),
        slot_start=Markup(SLOT_START),  # noqa: S704 - a constant
        slot_end=Markup(SLOT_END),  # noqa: S704 - a constant
    )  # fmt: skip
    _around_slot(report)
    return report


def show_report(report: str, record: Mapping[str, Any]) -> str:
    """The artifact with its slot filled from the run record; a filled slot is filled anew.

    Raises:
        ValueError: ``report`` has no slot, or more than one.
    """
    before, after = _around_slot(report)
    filled = environment().get_template("page/record.html.j2").render(run=arrange_run(record))
    return f"{before}{filled}{after}"


def _around_slot(report: str) -> tuple[str, str]:
    """The page up to and with the start of the slot, and from its end on."""
    start, end = report.find(SLOT_START), report.find(SLOT_END)
    if (report.count(SLOT_START), report.count(SLOT_END)) != (1, 1) or end < start:
        raise ValueError("the report does not have exactly one slot for the run record")
    return report[: start + len(SLOT_START)], report[end:]


def _training(training: Json) -> dict[str, Any]:
    keys = ("trainLoss", "valLoss", "trainAccuracy", "valAccuracy", "bestEpoch", "epochsRun")
    weights = training.get("weights")
    return {
        **{key: number(training.get(key)) for key in keys},
        "stoppedEarly": bool(training.get("stoppedEarly")),
        "weights": weights,
        "backbone": BACKBONES.get(str(weights), weights),
        "weightsDigest": training.get("weightsDigest"),
    }


def _preparation(preparation: Json) -> dict[str, Any]:
    sides = ("minWidthPx", "minHeightPx", "maxWidthPx", "maxHeightPx")
    counts = ("photoCount", "trainSize", "valSize", "testSize", "totalBytes", *sides)
    formats = (preparation.get("formats") or {}).items()
    return {
        **{key: number(preparation.get(key)) for key in counts},
        "formats": sorted(formats, key=lambda pair: (-pair[1], pair[0])),
    }


def _data_rows(preparation: Json, order: Sequence[str]) -> list[DataRow]:
    classes: Mapping[str, Json] = preparation.get("classes") or {}
    names = [name for name in order if name in classes]
    names += sorted(set(classes) - set(names))
    counts = [[int(classes[name].get(split) or 0) for split in SPLITS] for name in names]
    largest = max(map(sum, counts), default=0) or 1
    return [
        DataRow(name=name, train=train, val=val, test=test, width=(train + val + test) / largest)
        for name, (train, val, test) in zip(names, counts, strict=True)
    ]
