"""``ml-workflows why``: which change made a step run."""

from __future__ import annotations

import json

import click

from ml_workflows.cli.options import home_option, json_option
from ml_workflows.errors import HomeFault, printable
from ml_workflows.store.changes import explain
from ml_workflows.store.home import Home
from ml_workflows.store.records import all_records, find_record


@click.command("why")
@click.argument("run", default="latest")
@click.argument("step", required=False)
@click.option("--against", metavar="RUN", help="the run to compare with  [default: the one before]")
@home_option
@json_option
def why_command(run: str, step: str | None, against: str | None, home: Home, as_json: bool) -> None:
    """Say why each step (or one STEP) of RUN ran or not.

    Names the parameter, photo, source file, package or input that changed since the run before.
    Example: ml-workflows why latest train_model
    """
    record = find_record(home, run)
    if step is not None and step not in record["steps"]:
        raise HomeFault(
            f"run {record['run']} has no step {step!r}",
            seen=", ".join(record["steps"]),
            remedy="Name one of those.",
        )
    earlier = [other for other in all_records(home) if other["run"] < record["run"]]
    base = find_record(home, against) if against else (earlier[-1] if earlier else None)
    steps = explain(home, record, base)
    chosen = {name: found for name, found in steps.items() if step in (None, name)}
    if as_json:
        compared = base["run"] if base else None
        answer = {"run": record["run"], "against": compared, "steps": chosen}
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(
        f"run {record['run']}, compared with {base['run'] if base else 'nothing: it is the first'}"
    )
    if not chosen:
        click.echo(printable(f"no step came to its end: {record.get('error', record['status'])}"))
    for name, found in chosen.items():
        outcome = "ran" if found["outcome"] == "ran" else "came from the cache"
        click.echo(f"{name} {outcome}: {found['because']}")
        for change in found["changes"]:
            click.echo(f"    {printable(change)}")
