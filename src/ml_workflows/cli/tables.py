"""What runs look like on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_workflows.errors import printable
from ml_workflows.store.home import Home
from ml_workflows.store.records import REPORT, Record, run_folder

_DIGEST_DIGITS = 12
_LOG_WIDTH = 160


def console() -> Console:
    """Standard output; wide when it is no terminal, so that logs are not cut."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_LOG_WIDTH)


def plain(value: object) -> Text:
    """A cell without markup: names from data are hostile."""
    return Text(printable(str(value)))


def score(record: Record, name: str = "weightedF1Score") -> str:
    """A score with its 95 % interval, or why there is none."""
    metrics = record["steps"].get("evaluate_model", {}).get("metrics")
    if not metrics:
        return "unfinished" if record["status"] == "running" else str(record["status"])
    low, high = metrics["intervals"][name]
    return f"{metrics[name]:.3f} ({low:.3f} to {high:.3f})"


def print_summary(home: Home, record: Record) -> None:
    """What a person wants to know at the end of a run."""
    out = console()
    steps = record["steps"]
    sizes = steps["prepare_data"]["metrics"]
    agreement = steps["evaluate_model"]["metrics"]["agreement"]
    optimization = steps["optimize_model"]["measurements"]
    rows = {
        "weighted F1": score(record) + ", 95 % interval",
        "accuracy": score(record, "accuracy"),
        "photos": f"{sizes['trainSize']} train, {sizes['valSize']} val, {sizes['testSize']} test,"
        f" {sizes['quarantineSize']} quarantined",
        "agreement": f"{agreement['preprocessingLabelFlips']} of {sizes['testSize']} labels differ"
        " between training and the shipped ONNX",
        "latency": f"{optimization['latencyBeforeSeconds'] * 1000:.2f} ms a photo,"
        f" optimized {optimization['latencyAfterSeconds'] * 1000:.2f} ms",
        "report": relative(run_folder(home, record["run"]) / REPORT),
        "run": f"{record['run']} in {record['seconds']:.1f} s",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(Text(name, style="bold"), plain(value))
    out.print()
    out.print(grid)


def print_runs(records: list[Record]) -> None:
    """A table of runs, newest last, with the parameters that are not the same in all."""
    differing = _differing(records)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "started", "data", *differing, "weighted F1 (95 %)", "seconds"):
        table.add_column(heading, overflow="fold")
    for record in records:
        parameters = record["parameters"]
        cells = [record["run"], record["started"][:16].replace("T", " "), parameters["data"]]
        cells += [parameters.get(name, "") for name in differing]
        cells += [score(record), f"{record['seconds']:.1f}"]
        table.add_row(*map(plain, cells))
    console().print(table)


def print_run(home: Home, record: Record) -> None:
    """One run: steps, metrics, artifacts, where the report is."""
    out = console()
    folder = run_folder(home, record["run"])
    out.print(Text(f"run {record['run']}: {record['status']}", style="bold"))
    if "error" in record:
        out.print(plain(record["error"]))
    out.print(_steps_table(record))
    for step, done in record["steps"].items():
        out.print(Text(f"\n{step}", style="bold"))
        out.print(_grid(_scalars(done["metrics"]) | done["measurements"]))
        artifacts = Table.grid(padding=(0, 2))
        for artifact in done["artifacts"].values():
            digest = artifact["sha256"][:_DIGEST_DIGITS]
            size = f"{artifact['bytes']:,} bytes"
            artifacts.add_row(
                plain(digest), plain(size), plain(relative(folder / artifact["file"]))
            )
        out.print(artifacts)
    out.print(Text("\nparameters", style="bold"))
    out.print(_grid(record["parameters"]))
    if (folder / REPORT).is_file():
        out.print(Text("\nreport  ", style="bold"), plain(relative(folder / REPORT)), sep="")


def relative(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _steps_table(record: Record) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("step", "outcome", "seconds", "key"):
        table.add_column(heading)
    for step, done in record["steps"].items():
        seconds = f"{done['seconds']:.2f}"
        if done["outcome"] == "cached":
            seconds += f" (computed in {done['executionSeconds']:.2f})"
        table.add_row(step, done["outcome"], seconds, done["key"][:_DIGEST_DIGITS])
    return table


def _scalars(metrics: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in metrics.items() if not isinstance(v, dict | list)}


def _grid(values: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in values.items():
        grid.add_row(plain(name), plain(f"{value:.6g}" if isinstance(value, float) else value))
    return grid


def _differing(records: list[Record]) -> list[str]:
    names = {name: None for record in records for name in record["parameters"] if name != "data"}
    return [
        name
        for name in names
        if len({str(record["parameters"].get(name)) for record in records}) > 1
    ]
