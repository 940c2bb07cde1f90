"""The learning curves as one standalone SVG.

Pixels are those of the drawing's view box. A value that cannot be drawn (missing, NaN, infinite
or absurdly large) leaves a gap in its curve and is counted in the description.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ml_workflows.report.rendering import environment, number

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 66, 620, 64, 308
LARGEST = 1e100
LOG_FROM = 1000.0
BUCKETS = 400
CURVES = (("trainLoss", "training"), ("valLoss", "validation"))

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A scale from values to pixels, linear or logarithmic, with the values of its ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def draw_loss_plot(history: Sequence[Mapping[str, float]], *, best_epoch: int) -> str:
    """Training and validation loss by epoch as a standalone SVG, light and dark.

    ``history`` holds a row an epoch with ``epoch``, ``trainLoss`` and ``valLoss``; the epoch that
    was kept is marked. The same history gives the same bytes.
    """
    epochs = [_finite(row.get("epoch"), otherwise=i) for i, row in enumerate(history, start=1)]
    curves = {
        label: [(x, _finite(row.get(key))) for x, row in zip(epochs, history, strict=True)]
        for key, label in CURVES
    }
    x_axis = _epoch_axis(epochs)
    y_axis = _loss_axis([y for curve in curves.values() for _, y in curve if not math.isnan(y)])
    return environment().get_template("plots/loss_plot.svg.j2").render(
        width=WIDTH,
        height=HEIGHT,
        frame={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        x_ticks=[(_pixel(x_axis.place(tick)), f"{tick:.0f}") for tick in x_axis.ticks],
        y_ticks=[(_pixel(y_axis.place(tick)), f"{tick:.6g}") for tick in y_axis.ticks],
        logarithmic=y_axis.logarithmic,
        paths={label: _path(_thin(curve), x_axis, y_axis) for label, curve in curves.items()},
        empty=all(math.isnan(y) for curve in curves.values() for _, y in curve),
        kept=_kept(curves["validation"], best_epoch, x_axis, y_axis),
        descriptions=[_describe(label, curve) for label, curve in curves.items()],
    )  # fmt: skip


def _finite(value: object, *, otherwise: float = math.nan) -> float:
    known = number(value)
    return otherwise if known is None or abs(known) > LARGEST else float(known)


def _epoch_axis(epochs: Sequence[float]) -> Axis:
    low, high = min(epochs, default=1.0), max(epochs, default=1.0)
    step = max(_nice_step((high - low) / 6), 1.0)
    ticks = _multiples(step, math.ceil(low / step), math.floor(high / step)) or (low,)
    if low == high:
        low, high = low - 1, high + 1
    return Axis(low=low, high=high, start=LEFT + 12, end=RIGHT - 12, ticks=ticks)


def _loss_axis(losses: Sequence[float]) -> Axis:
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    if low > 0 and high / low >= LOG_FROM:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        every = max(1, math.ceil((last - first) / 7))
        ticks = tuple(float(f"1e{power}") for power in range(first, last + 1, every))
        low, high = float(f"1e{first}"), float(f"1e{last}")
        return Axis(low=low, high=high, start=BOTTOM, end=TOP, ticks=ticks, logarithmic=True)
    low = min(low, 0.0)
    step = _nice_step((high - low) / 5)
    ticks = _multiples(step, math.floor(low / step), max(math.ceil(high / step), 1))
    return Axis(low=ticks[0], high=ticks[-1], start=BOTTOM, end=TOP, ticks=ticks)


def _nice_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least ``least``."""
    if least <= 0:
        return 1.0
    power = float(f"1e{math.floor(math.log10(least))}")
    if power == 0:
        return 1.0
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= least), 10 * power)


def _multiples(step: float, first: int, last: int) -> tuple[float, ...]:
    return tuple(step * factor for factor in range(first, last + 1))


def _thin(curve: Sequence[Point]) -> Sequence[Point]:
    """The curve, or the lowest and highest point of each of at most 400 stretches of it."""
    if len(curve) <= 2 * BUCKETS:
        return curve
    kept: list[Point] = []
    for bucket in range(BUCKETS):
        first, last = (len(curve) * edge // BUCKETS for edge in (bucket, bucket + 1))
        stretch = curve[first:last]
        known = [point for point in stretch if not math.isnan(point[1])]
        extremes = {_extreme(min, known), _extreme(max, known)} if known else {stretch[0]}
        kept += sorted(extremes)
    return kept


def _extreme(choose: Callable[..., Point], points: Sequence[Point]) -> Point:
    return choose(points, key=lambda point: point[1])


def _path(curve: Sequence[Point], x_axis: Axis, y_axis: Axis) -> str:
    return "".join(
        # A stretch of one point is a line of no length, which round caps draw as a dot.
        "M" + "L".join(points) + ("h0" if len(points) == 1 else "")
        for points in _stretches(curve, x_axis, y_axis)
    )


def _stretches(curve: Sequence[Point], x_axis: Axis, y_axis: Axis) -> Iterator[list[str]]:
    points: list[str] = []
    for x, y in curve:
        if not math.isnan(y):
            points.append(f"{_pixel(x_axis.place(x))} {_pixel(y_axis.place(y))}")
        elif points:
            yield points
            points = []
    if points:
        yield points


def _pixel(value: float) -> str:
    return f"{value + 0.0:.1f}"


def _kept(
    validation: Sequence[Point], best_epoch: int, x_axis: Axis, y_axis: Axis
) -> dict[str, str] | None:
    for x, y in validation:
        if x == best_epoch:
            place = x_axis.place(x)
            side = "start" if place < LEFT + 100 else "end" if place > RIGHT - 100 else "middle"
            dot = "" if math.isnan(y) else _pixel(y_axis.place(y))
            return {"epoch": str(best_epoch), "x": _pixel(place), "y": dot, "anchor": side}
    return None


def _describe(label: str, curve: Sequence[Point]) -> str:
    known = [(x, y) for x, y in curve if not math.isnan(y)]
    gaps = len(curve) - len(known)
    text = f"{label} loss: never a finite number"
    if known:
        (first, start), (last, end) = known[0], known[-1]
        text = f"{label} loss: {start:.4g} in epoch {first:.0f}, {end:.4g} in epoch {last:.0f}"
    return f"{text}; {gaps} not drawn" if gaps and known else text
