"""Scores are those of scikit-learn; intervals hold what they promise."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.report import scores

Counts = npt.NDArray[np.int64]

EXAMPLES = settings(max_examples=60, deadline=None, database=None)
#: Of 300 photos of three classes; rows are the truth.
POPULATION = np.array([[0.30, 0.03, 0.02], [0.02, 0.38, 0.05], [0.03, 0.02, 0.15]])


@st.composite
def matrices(draw: st.DrawFn) -> Counts:
    """Confusion matrices of at least one photo; many lack a class in truth or prediction."""
    classes = draw(st.integers(1, 7))
    counts = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 40))
    cells = draw(st.lists(counts, min_size=classes**2, max_size=classes**2))
    matrix = np.array(cells, dtype=np.int64).reshape(classes, classes)
    for axis in (0, 1):
        for absent in draw(st.sets(st.integers(0, classes - 1))):
            matrix[(absent,) if axis == 0 else (slice(None), absent)] = 0
    if matrix.sum() == 0:
        matrix[draw(st.integers(0, classes - 1)), draw(st.integers(0, classes - 1))] = 1
    return matrix


def photos_of(matrix: Counts) -> tuple[Counts, Counts]:
    """Truth and prediction of each photo."""
    truth, predicted = np.indices(matrix.shape)
    times = matrix.ravel()
    return np.repeat(truth.ravel(), times), np.repeat(predicted.ravel(), times)


def normal(matrix: Counts) -> dict[str, float]:
    return {name: float(value) for name, value in scores.overall(matrix).items()}


@EXAMPLES
@given(matrices())
def test_overall_scores_are_those_of_scikit_learn(matrix: Counts) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    truth, predicted = photos_of(matrix)
    expected = {"accuracy": accuracy_score(truth, predicted)}
    for average in ("weighted", "macro"):
        found = precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        names = ("Precision", "Recall", "F1Score")
        expected |= {average + name: value for name, value in zip(names, found, strict=False)}
    assert normal(matrix) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@EXAMPLES
@given(matrices())
def test_scores_of_each_class_are_those_of_scikit_learn(matrix: Counts) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    classes = tuple(f"class {index}" for index in range(len(matrix)))
    table = scores.per_class(matrix, classes)
    found = precision_recall_fscore_support(
        *photos_of(matrix), labels=range(len(matrix)), average=None, zero_division=0
    )
    assert tuple(table) == classes
    for row, *expected, support in zip(table.values(), *found, strict=True):
        assert row["support"] == support
        seen = [row["precision"], row["recall"], row["f1Score"]]
        if support == 0:
            assert seen == [None, None, None]
            assert row["recallInterval"] is None
        else:
            assert seen == pytest.approx(expected, rel=1e-12)
            low, high = row["recallInterval"]
            assert low - 1e-12 <= row["recall"] <= high + 1e-12


@EXAMPLES
@given(matrices())
def test_the_confusion_matrix_counts_photos_and_keeps_absent_classes(matrix: Counts) -> None:
    counted = scores.confusion_matrix(*photos_of(matrix), classes=len(matrix))
    np.testing.assert_array_equal(counted, matrix)


def test_scores_of_many_matrices_at_once_are_those_of_each() -> None:
    stack = np.random.default_rng(0).integers(0, 9, (2, 3, 4, 4))
    together = scores.overall(stack)
    for place in np.ndindex(2, 3):
        for name, value in normal(stack[place]).items():
            assert together[name][place] == value


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # scipy 1.17: binomtest(right, total).proportion_ci(method="wilson"); statsmodels'
        # proportion_confint(right, total, method="wilson") gives the same.
        (7, 10, 0.39677814746114526, 0.892208732593699),
        (287, 300, 0.9272825343659885, 0.9745035519155927),
    ],
)
def test_wilson_gives_known_intervals(right: int, total: int, low: float, high: float) -> None:
    assert scores.wilson(right, total) == pytest.approx([low, high], abs=1e-12)


@EXAMPLES
@given(st.integers(1, 10_000), st.data())
def test_wilson_is_within_zero_and_one_around_the_share(total: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, total))
    low, high = scores.wilson(right, total)
    assert 0 <= low < high <= 1
    assert low - 1e-12 <= right / total <= high + 1e-12


@settings(EXAMPLES, max_examples=15)
@given(matrices())
def test_intervals_are_ordered_within_zero_and_one_and_the_same_every_time(
    matrix: Counts,
) -> None:
    intervals = scores.intervals(matrix)
    assert intervals == scores.intervals(matrix.copy())
    assert set(intervals) == set(normal(matrix))
    for low, high in intervals.values():
        assert 0 <= low <= high <= 1 + 1e-12


def test_intervals_hold_the_score_and_shrink_with_more_photos() -> None:
    few = np.round(POPULATION * 100).astype(np.int64)
    widths = []
    for matrix in (few, 25 * few):
        intervals = scores.intervals(matrix)
        for name, value in normal(matrix).items():
            low, high = intervals[name]
            assert low <= value <= high, name
        widths.append({name: high - low for name, (low, high) in intervals.items()})
    for name, width in widths[0].items():
        assert width / widths[1][name] == pytest.approx(5, rel=0.15), name


def test_every_photo_right_leaves_no_doubt_but_the_number_of_photos() -> None:
    intervals = scores.intervals(np.diag([40, 60]).astype(np.int64))
    assert intervals["weightedF1Score"] == [1, 1]
    assert intervals["accuracy"] == pytest.approx([0.963, 1], abs=0.001)


def test_intervals_of_300_photos_hold_the_true_score_about_95_times_of_100() -> None:
    rng = np.random.default_rng(20260101)
    truth = {name: float(value) for name, value in scores.overall(POPULATION).items()}
    times = 300
    held = dict.fromkeys(truth, 0)
    for _ in range(times):
        drawn = rng.multinomial(300, POPULATION.ravel()).reshape(POPULATION.shape)
        for name, (low, high) in scores.intervals(drawn).items():
            held[name] += low <= truth[name] <= high
    for name in ("weightedF1Score", "macroF1Score", "accuracy"):
        assert 0.90 <= held[name] / times <= 0.98, name


def test_two_hundred_classes_take_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.multinomial(5000, np.full(200 * 200, 1 / 200**2)).reshape(200, 200)
    matrix += np.diag(np.full(200, 20))
    tracemalloc.start()
    try:
        intervals = scores.intervals(matrix)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 400 * 2**20
    assert all(0 <= low < high <= 1 for low, high in intervals.values())
    assert len(scores.per_class(matrix, tuple(map(str, range(200))))) == 200


def two_classes(sure: list[float]) -> npt.NDArray[np.float64]:
    return np.array([[p, 1 - p] for p in sure])


def test_the_calibration_error_of_a_calibrated_model_is_zero() -> None:
    # 60 % sure and right six times of ten, 90 % sure and right nine times of ten
    probabilities = two_classes([0.6] * 10 + [0.9] * 10)
    truth = np.array([0] * 6 + [1] * 4 + [0] * 9 + [1], dtype=np.int64)
    assert scores.expected_calibration_error(probabilities, truth) == pytest.approx(0, abs=1e-12)


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # two photos 90 % sure, one right: a gap of 0.4; six 60 % sure, all right: a gap of 0.4;
    # two 75 % sure, one right: 0.25
    probabilities = two_classes([0.9] * 2 + [0.6] * 6 + [0.75] * 2)
    truth = np.array([0, 1] + [0] * 6 + [0, 1], dtype=np.int64)
    expected = (2 * 0.4 + 6 * 0.4 + 2 * 0.25) / 10
    assert scores.expected_calibration_error(probabilities, truth) == pytest.approx(expected)


def test_gaps_of_different_bins_do_not_cancel_but_those_within_a_bin_do() -> None:
    truth = np.array([0, 1], dtype=np.int64)
    apart = scores.expected_calibration_error(two_classes([0.6, 0.95]), truth)
    assert apart == pytest.approx((0.4 + 0.95) / 2)
    within = scores.expected_calibration_error(two_classes([0.71, 0.72]), truth)
    assert within == pytest.approx((0.72 + 0.71 - 1) / 2)


def test_a_model_that_is_wrong_and_certain_has_the_largest_calibration_error() -> None:
    certain = two_classes([1.0, 1.0, 1.0])
    truth = np.array([1, 1, 1], dtype=np.int64)
    assert scores.expected_calibration_error(certain, truth) == 1
    assert scores.expected_calibration_error(certain, 1 - truth) == 0
