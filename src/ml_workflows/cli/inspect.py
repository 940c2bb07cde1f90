"""``ml-workflows runs`` and ``ml-workflows show``: what was run."""

from __future__ import annotations

import json

import click

from ml_workflows.cli.options import home_option, json_option
from ml_workflows.store.home import Home
from ml_workflows.store.records import all_records, find_record


@click.command("runs")
@home_option
@json_option
def runs_command(home: Home, as_json: bool) -> None:
    """List the runs: when, data, parameters that differ, F1 with its interval.

    Example: ml-workflows runs
    """
    records = all_records(home)
    if as_json:
        click.echo(json.dumps(records, indent=2))
    elif not records:
        click.echo(f"There are no runs in {home.root}. Start one with `ml-workflows run`.")
    else:
        from ml_workflows.cli.tables import print_runs

        print_runs(records)


@click.command("show")
@click.argument("run", default="latest")
@home_option
@json_option
def show_command(run: str, home: Home, as_json: bool) -> None:
    """Show one RUN: steps, metrics, artifacts with digests, where the report is.

    RUN is an id, a part of one, or 'latest'. Example: ml-workflows show latest
    """
    record = find_record(home, run)
    if as_json:
        click.echo(json.dumps(record, indent=2))
    else:
        from ml_workflows.cli.tables import print_run

        print_run(home, record)
