"""Scores of a classifier from its confusion matrix, and how sure one can be of them.

The scores are those of scikit-learn (``zero_division=0``), which the tests compare with; it is
not imported here because that takes longer than scoring the photos.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RESAMPLES = 2000
#: Two-sided 95 % quantile of the normal distribution.
_Z_95 = 1.959963984540054
_CALIBRATION_BINS = 15
_RESAMPLES_AT_A_TIME = 100


def confusion_matrix(
    truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], *, classes: int
) -> Counts:
    """``[classes, classes]`` counts, rows are the truth. Classes absent from both have zeros."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    return matrix


def overall(matrix: npt.NDArray[Any]) -> dict[str, Floats]:
    """Accuracy, and weighted and macro precision, recall and F1.

    ``matrix`` is ``[..., classes, classes]``; each score is ``[...]``. The macro scores are means
    over the classes that occur in truth or prediction.
    """
    precision, recall, f1, support = _by_class(matrix)
    total = support.sum(axis=-1)
    present = (support + matrix.sum(axis=-2)) > 0
    by_name = {"Precision": precision, "Recall": recall, "F1Score": f1}
    scores = {"accuracy": np.trace(matrix, axis1=-2, axis2=-1) / total}
    for name, values in by_name.items():
        scores[f"weighted{name}"] = (values * support).sum(axis=-1) / total
        scores[f"macro{name}"] = (values * present).sum(axis=-1) / present.sum(axis=-1)
    return scores


def per_class(matrix: Counts, classes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support of each class; None where the class has no test photo."""
    precision, recall, f1, support = _by_class(matrix)
    table: dict[str, dict[str, Any]] = {}
    for i, label in enumerate(classes):
        absent = support[i] == 0
        table[label] = {
            "precision": None if absent else float(precision[i]),
            "recall": None if absent else float(recall[i]),
            "f1Score": None if absent else float(f1[i]),
            "support": int(support[i]),
            "recallInterval": None if absent else wilson(int(matrix[i, i]), int(support[i])),
        }
    return table


def intervals(matrix: Counts, *, seed: int = 0) -> dict[str, list[float]]:
    """95 % intervals of the overall scores.

    Accuracy by Wilson's score; the others by percentiles over photos drawn anew with replacement
    (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). The same for the same
    matrix.
    """
    cells = np.flatnonzero(matrix)
    total = int(matrix.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.multinomial(total, matrix.ravel()[cells] / total, size=RESAMPLES)
    resampled: dict[str, list[Floats]] = {}
    for start in range(0, RESAMPLES, _RESAMPLES_AT_A_TIME):
        part = drawn[start : start + _RESAMPLES_AT_A_TIME]
        matrices = np.zeros((len(part), matrix.size), dtype=np.int64)
        matrices[:, cells] = part
        for name, values in overall(matrices.reshape(len(part), *matrix.shape)).items():
            resampled.setdefault(name, []).append(values)
    bounds = {
        name: [float(bound) for bound in np.percentile(np.concatenate(values), (2.5, 97.5))]
        for name, values in resampled.items()
    }
    return bounds | {"accuracy": wilson(int(np.trace(matrix)), total)}


def wilson(right: int, total: int) -> list[float]:
    """Wilson's 95 % interval of a share.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    share = right / total
    shrink = 1 + _Z_95**2 / total
    middle = (share + _Z_95**2 / (2 * total)) / shrink
    half = _Z_95 / shrink * math.sqrt(share * (1 - share) / total + _Z_95**2 / (4 * total**2))
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == total else min(1.0, middle + half)
    return [low, high]


def expected_calibration_error(probabilities: Floats, truth: npt.NDArray[np.int64]) -> float:
    """Mean gap between how sure the model is and how often it is right, in 15 equal bins.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((sure * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gap = np.bincount(bins, weights=right - sure, minlength=_CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(truth))


def _by_class(matrix: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats, Floats]:
    """Precision, recall, F1 and support, ``[..., classes]`` each; 0 where undefined."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    support = matrix.sum(axis=-1).astype(np.float64)
    predicted = matrix.sum(axis=-2).astype(np.float64)
    return (
        _share(hits, predicted),
        _share(hits, support),
        _share(2 * hits, support + predicted),
        support,
    )


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
