"""How a run is shown while it goes on: bars on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml_workflows.errors import printable

_STEP_WIDTH = 14


class Quiet:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        self._line(f"{step:<{_STEP_WIDTH}} …")

    def step_done(self, step: str, outcome: str, seconds: float) -> None:
        how = "from cache" if outcome == "cached" else f"ran {seconds:.1f} s"
        self._line(f"{step:<{_STEP_WIDTH}} {how}")

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


class Bars(Quiet):
    """A bar for what goes on, a line for what is done: for people at a terminal."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn(" " * _STEP_WIDTH + " {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._console = console
        self._task = self._bars.add_task("starting", total=None)
        self._shown = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        note = f"{'note':<{_STEP_WIDTH}} {printable(text)}"
        self._console.print(note, markup=False, highlight=False, style="dim")

    def progress(self, what: str, done: int, total: int) -> None:
        if what != self._shown:
            self._shown = what
            self._bars.reset(self._task, description=what, total=total or None)
        self._bars.update(self._task, completed=done, total=total or None)

    def step_started(self, step: str) -> None:
        self.progress(step, 0, 0)

    def step_done(self, step: str, outcome: str, seconds: float) -> None:
        how = "[cyan]from cache[/]" if outcome == "cached" else f"[green]ran[/] {seconds:.1f} s"
        self._console.print(f"[bold]{step:<{_STEP_WIDTH}}[/] {how}", highlight=False)


def listener(*, quiet: bool) -> Quiet:
    """The way that suits standard error."""
    if quiet:
        return Quiet()
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()
