"""The loss plot is well-formed, deterministic, and survives whatever a training run gives it."""

import math
from xml.etree import ElementTree

import pytest

from ml_workflows.report.plots import draw_loss_plot

SVG = "{http://www.w3.org/2000/svg}"
NAN, INFINITE = math.nan, math.inf


def history_of(train: list[float], validation: list[float]) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "trainLoss": t, "valLoss": v}
        for epoch, (t, v) in enumerate(zip(train, validation, strict=True), start=1)
    ]


def curve(plot: str, label: str) -> str:
    """The path of one curve; the first of its class is the line in the legend."""
    return [
        path.get("d", "")
        for path in ElementTree.fromstring(plot).iter(f"{SVG}path")  # noqa: S314 - our own
        if path.get("class") == f"curve {label}"
    ][-1]


def words(plot: str) -> str:
    root = ElementTree.fromstring(plot)  # noqa: S314 - our own
    return " ".join(text.text or "" for text in root.iter(f"{SVG}text"))


ODD_HISTORIES: dict[str, list[dict[str, float]]] = {
    "no epoch": history_of([], []),
    "one epoch": history_of([0.5], [0.6]),
    "all NaN": history_of([NAN, NAN], [NAN, NAN]),
    "infinities": history_of([INFINITE, 1.0, -INFINITE], [1.0, INFINITE, 0.5]),
    "missing values": [{"epoch": 1}, {"epoch": 2, "valLoss": 0.5}],
    "all zero": history_of([0.0, 0.0], [0.0, 0.0]),
    "constant": history_of([0.7] * 3, [0.7] * 3),
    "negative": history_of([-1.0, -2.0], [-1.5, 3.0]),
    "huge": history_of([1e308, -1e308], [1e99, -1e99]),
    "tiny": history_of([5e-324, 1e-320], [1e-310, 0.0]),
    "wide": history_of([1e-300, 1e99], [1.0, 2.0]),
}


@pytest.mark.parametrize("name", ODD_HISTORIES)
def test_odd_histories_give_well_formed_drawings_without_odd_numbers(name: str) -> None:
    plot = draw_loss_plot(ODD_HISTORIES[name], best_epoch=1)
    for label in ("training", "validation"):
        assert "nan" not in curve(plot, label)
        assert "inf" not in curve(plot, label)


def test_the_same_history_gives_the_same_bytes() -> None:
    history = history_of([1.0, 0.5, 0.4], [1.1, 0.7, 0.8])
    assert draw_loss_plot(history, best_epoch=2) == draw_loss_plot(history, best_epoch=2)


def test_a_value_that_is_not_finite_leaves_a_gap() -> None:
    plot = draw_loss_plot(history_of([1, 0.9, NAN, 0.7, 0.6], [1] * 5), best_epoch=5)
    assert curve(plot, "training").count("M") == 2
    assert curve(plot, "validation").count("M") == 1
    assert "1 not drawn" in plot


def test_one_epoch_is_drawn_as_a_dot_in_the_frame() -> None:
    path = curve(draw_loss_plot(history_of([0.5], [0.6]), best_epoch=1), "training")
    assert path.startswith("M") and path.endswith("h0")
    x, y = (float(part) for part in path.removeprefix("M").removesuffix("h0").split())
    assert 0 < x < 640
    assert 0 < y < 360


def test_the_kept_epoch_is_marked() -> None:
    plot = draw_loss_plot(history_of([1, 0.5, 0.4], [1, 0.7, 0.8]), best_epoch=2)
    assert "epoch 2 kept" in words(plot)
    assert "Epoch 2 was kept." in plot


def test_an_epoch_that_never_was_is_not_marked() -> None:
    assert "kept" not in words(draw_loss_plot(history_of([1.0], [1.0]), best_epoch=7))


def test_ten_thousand_epochs_stay_small_and_keep_the_spike() -> None:
    losses = [2 / epoch**0.1 for epoch in range(1, 10_001)]
    losses[7_777] = 3.0
    plot = draw_loss_plot(history_of(losses, losses), best_epoch=10_000)
    assert len(plot) < 40_000
    heights = [
        float(point.split()[1]) for point in curve(plot, "training").removeprefix("M").split("L")
    ]
    assert heights.index(min(heights)) > len(heights) // 2


def test_losses_of_many_magnitudes_are_drawn_on_a_log_scale() -> None:
    assert "log scale" in words(draw_loss_plot(history_of([1e3, 1e-3], [1, 1]), best_epoch=1))
    assert "log scale" not in words(draw_loss_plot(history_of([1, 0.1], [1, 1]), best_epoch=1))


def test_the_drawing_names_and_describes_itself() -> None:
    root = ElementTree.fromstring(draw_loss_plot(history_of([1.0], [1.0]), best_epoch=1))  # noqa: S314
    named = {element.get("id") for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert named == set(root.get("aria-labelledby", "").split())
