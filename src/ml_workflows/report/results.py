"""What the test photos said, arranged for the page: scores, classes, confusions, agreement.

Input is the JSON of the evaluation step. Scores are shares of 0..1, or None where they are not
defined (a class that no test photo has), and intervals are pairs ``(low, high)`` of 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_workflows.report.rendering import number, score, short

Json = Mapping[str, Any]
Interval = tuple[float, float]
FEW_CLASSES = 6
SOME_CLASSES = 24
SHOWN_PAIRS = 6


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A score with its interval; ``value`` None is not defined."""

    name: str
    value: float | None
    interval: Interval | None = None
    note: str = ""

    @property
    def spoken(self) -> str:
        """The score in words, for screen readers and tool tips."""
        text = f"{self.name} {score(self.value)}"
        if self.interval is None:
            return text
        return f"{text}, 95 % interval {score(self.interval[0])} to {score(self.interval[1])}"


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One line of the table of classes."""

    name: str
    support: int | None
    precision: float | None
    recall: Figure
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the confusion matrix; ``share`` is that of the photos of the true class."""

    count: int
    share: float
    right: bool
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The confusion matrix, and its cells off the diagonal from most to least photos."""

    classes: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    density: str
    total: int
    right: int
    baseline: float | None
    pairs: Sequence[tuple[str, str, int]]
    more_pairs: int


@dataclass(frozen=True, kw_only=True)
class Check:
    """Two ways to the same answer, and how far they were apart on the checked photos."""

    name: str
    difference: float | None
    flips: int | None
    photos: int | None


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything the sections Results, Confusion matrix and Per class show."""

    photos: int | None
    headline: Figure
    figures: Sequence[Figure]
    classes: Sequence[ClassRow]
    weakest: ClassRow | None
    confusion: Confusion
    checks: Sequence[Check] = field(default=())


def arrange_results(evaluation: Json, confusion: Json) -> Results:
    """The results of the evaluation step, ready for the templates."""
    matrix = _confusion(confusion)
    names = matrix.classes or sorted(evaluation.get("perClass") or {})
    classes = [_class_row(name, (evaluation.get("perClass") or {}).get(name)) for name in names]
    scored = [row for row in classes if row.f1 is not None]
    agreement = evaluation.get("agreement") or {}
    return Results(
        photos=evaluation.get("testSize"),
        headline=_figure(evaluation, "weightedF1Score", "Weighted F1"),
        figures=_figures(evaluation),
        classes=classes,
        weakest=min(scored, key=lambda row: row.f1 or 0.0, default=None),
        confusion=matrix,
        checks=_checks(agreement),
    )


def _figures(evaluation: Json) -> list[Figure]:
    error = number(evaluation.get("expectedCalibrationError"))
    return [
        _figure(evaluation, "accuracy", "Accuracy", "share of photos labelled right"),
        _figure(evaluation, "macroF1Score", "Macro F1", "every class counts the same"),
        Figure(
            name="Calibration error",
            value=error,
            note="mean gap between stated confidence and share right; 0 is best",
        ),
    ]


def _figure(evaluation: Json, key: str, name: str, note: str = "") -> Figure:
    interval = _interval((evaluation.get("intervals") or {}).get(key))
    return Figure(name=name, value=number(evaluation.get(key)), interval=interval, note=note)


def _interval(pair: object) -> Interval | None:
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        return None
    low, high = (number(edge) for edge in pair)
    if low is None or high is None:
        return None
    return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def _class_row(name: str, scores: Json | None) -> ClassRow:
    scores = scores or {}
    return ClassRow(
        name=name,
        support=scores.get("support"),
        precision=number(scores.get("precision")),
        recall=Figure(
            name="Recall",
            value=number(scores.get("recall")),
            interval=_interval(scores.get("recallInterval")),
        ),
        f1=number(scores.get("f1Score")),
    )


def _confusion(confusion: Json) -> Confusion:
    names = [str(name) for name in confusion.get("classes") or ()]
    matrix: list[list[int]] = [list(row) for row in confusion.get("matrix") or ()]
    total = sum(map(sum, matrix))
    pairs = sorted(
        (
            (names[i], names[j], photos)
            for i, row in enumerate(matrix)
            for j, photos in enumerate(row)
            if i != j and photos
        ),
        key=lambda pair: (-pair[2], pair[0], pair[1]),
    )
    return Confusion(
        classes=names,
        rows=[_cells(i, row, names) for i, row in enumerate(matrix)],
        density=_density(len(names)),
        total=total,
        right=sum(row[i] for i, row in enumerate(matrix)),
        baseline=max(map(sum, matrix)) / total if total else None,
        pairs=pairs[:SHOWN_PAIRS],
        more_pairs=len(pairs[SHOWN_PAIRS:]),
    )


def _cells(truth: int, row: Sequence[int], names: Sequence[str]) -> list[Cell]:
    photos = sum(row)
    return [
        Cell(
            count=count,
            share=count / photos,
            right=truth == predicted,
            title=f"{count} of {photos}: {short(names[truth])} → {short(names[predicted])}",
        )
        if count
        else Cell(count=0, share=0.0, right=truth == predicted)
        for predicted, count in enumerate(row)
    ]


def _density(classes: int) -> str:
    return "few" if classes <= FEW_CLASSES else "some" if classes <= SOME_CLASSES else "many"


def _checks(agreement: Json) -> list[Check]:
    named = (
        ("torchToOnnx", "PyTorch and ONNX model"),
        ("preprocessing", "Preprocessing in training and in use"),
    )
    return [
        Check(
            name=name,
            difference=number(agreement.get(f"{key}LogitDifference")),
            flips=agreement.get(f"{key}LabelFlips"),
            photos=agreement.get(f"{key}Photos"),
        )
        for key, name in named
        if f"{key}LogitDifference" in agreement or f"{key}LabelFlips" in agreement
    ]
