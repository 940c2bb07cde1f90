"""How a run is shown while it goes on: plain lines in a log, nothing, or :mod:`bars`."""

from __future__ import annotations

import sys
from typing import Self

from ml_workflows.errors import printable

STEP_WIDTH = 14


class Quiet:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def say(self, text: str) -> None:
        """A note for a person."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So many of so many."""

    def step_started(self, step: str) -> None:
        """A step is about to be executed."""

    def step_done(self, step: str, outcome: str, seconds: float) -> None:
        """A step ran or came from the cache."""


class Lines(Quiet):
    """One line an event, to standard error: for logs."""

    def say(self, text: str) -> None:
        self._line(f"note: {printable(text)}")

    def step_started(self, step: str) -> None:
        self._line(f"{step:<{STEP_WIDTH}} …")

    def step_done(self, step: str, outcome: str, seconds: float) -> None:
        how = "from cache" if outcome == "cached" else f"ran {seconds:.1f} s"
        self._line(f"{step:<{STEP_WIDTH}} {how}")

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def listener(*, quiet: bool) -> Quiet:
    """The way that suits standard error."""
    if quiet:
        return Quiet()
    if not sys.stderr.isatty():
        return Lines()
    from ml_workflows.cli.bars import Bars

    return Bars()
