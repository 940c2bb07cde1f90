"""Progress bars, for people at a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml_workflows.cli.progress import STEP_WIDTH, Quiet
from ml_workflows.errors import printable


class Bars(Quiet):
    """A bar for what goes on, a line for what is done: for people at a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn(" " * STEP_WIDTH + " {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bars.add_task("starting", total=None)
        self._shown = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        note = f"{'note':<{STEP_WIDTH}} {printable(text)}"
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
        self._console.print(f"[bold]{step:<{STEP_WIDTH}}[/] {how}", highlight=False)
