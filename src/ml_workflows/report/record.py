"""The run record, arranged for the page: flow, measurements, artifacts, parameters, machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_workflows.report.rendering import duration, words

Json = Mapping[str, Any]
FIRST_STEPS = ("prepare_data", "train_model")
LAST_STEPS = ("evaluate_model", "optimize_model")


@dataclass(frozen=True, kw_only=True)
class Box:
    """One step of the flow; ``state`` is ran, cached or missing."""

    step: str
    name: str
    state: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file that a step made; ``sha256`` is its full digest."""

    step: str
    name: str
    sha256: str | None
    bytes: int | None
    file: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything the section about one run shows; ``facts`` are lines of name and text."""

    name: str
    status: str | None
    started: str | None
    seconds: float | None
    first_boxes: Sequence[Box]
    last_boxes: Sequence[Box]
    measurements: Sequence[tuple[str, str, Any]]
    artifacts: Sequence[Artifact]
    parameters: Sequence[tuple[str, Any]]
    environment: Sequence[tuple[str, Any]]
    packages: Sequence[tuple[str, Any]]
    latency: tuple[float, float] | None
    commit: str | None


def arrange_run(record: Json) -> Run:
    """The record of one run (``run.json``), ready for the templates; every key may be missing."""
    steps: Mapping[str, Json] = record.get("steps") or {}
    environment = record.get("environment") or {}
    git = record.get("git") or {}
    others = tuple(step for step in steps if step not in FIRST_STEPS + LAST_STEPS)
    return Run(
        name=str(record.get("run", "")),
        status=record.get("status"),
        started=record.get("started"),
        seconds=record.get("seconds"),
        first_boxes=[_box(step, steps.get(step)) for step in FIRST_STEPS],
        last_boxes=[_box(step, steps.get(step)) for step in LAST_STEPS + others],
        measurements=[row for step, facts in steps.items() for row in _measurements(step, facts)],
        artifacts=[row for step, facts in steps.items() for row in _artifacts(step, facts)],
        parameters=list((record.get("parameters") or {}).items()),
        environment=[(key, value) for key, value in environment.items() if key != "packages"],
        packages=sorted((environment.get("packages") or {}).items()),
        latency=_latency(steps.get("optimize_model") or {}),
        commit=git.get("commit"),
    )


def _box(step: str, facts: Json | None) -> Box:
    name = words(step).capitalize()
    if not facts:
        return Box(step=step, name=name, state="missing", outcome="did not run")
    outcome = facts.get("outcome")
    if outcome == "cached":
        took = duration(facts.get("executionSeconds"))
        return Box(step=step, name=name, state="cached", outcome=f"from cache (took {took})")
    if outcome == "ran":
        took = duration(facts.get("seconds"))
        return Box(step=step, name=name, state="ran", outcome=f"ran {took}")
    return Box(step=step, name=name, state="missing", outcome=str(outcome or "unknown"))


def _measurements(step: str, facts: Json) -> list[tuple[str, str, Any]]:
    return [(step, key, value) for key, value in (facts.get("measurements") or {}).items()]


def _artifacts(step: str, facts: Json) -> list[Artifact]:
    return [
        Artifact(
            step=step,
            name=name,
            sha256=about.get("sha256"),
            bytes=about.get("bytes"),
            file=about.get("file"),
        )
        for name, about in (facts.get("artifacts") or {}).items()
    ]


def _latency(facts: Json) -> tuple[float, float] | None:
    measured = facts.get("measurements") or {}
    before, after = measured.get("latencyBeforeSeconds"), measured.get("latencyAfterSeconds")
    return (before, after) if before and after else None
