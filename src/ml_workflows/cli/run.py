"""``ml-workflows run``: photos to an evaluated, shippable classifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ml_workflows import parameters
from ml_workflows.cli.options import home_option, json_option, parameter_options
from ml_workflows.cli.progress import listener
from ml_workflows.store.home import Home


@click.command("run")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="a TOML file with the same names; flags go before it",
)
@parameter_options
@home_option
@click.option("--quiet", is_flag=True, help="print no progress, only the result")
@json_option
def run_command(config: Path | None, home: Home, quiet: bool, as_json: bool, **given: Any) -> None:
    """Prepare, train, evaluate and optimise; steps that are known come from the cache.

    Example: ml-workflows run --data ./photos --epochs 20 --random-seed 7
    """
    values = parameters.read_config(config) if config else {}
    values |= {name: value for name, value in given.items() if value is not None}
    chosen = parameters.parameters_from(values)
    from ml_workflows.engines.local import run_pipeline

    with home.faults(), listener(quiet=quiet) as shown:
        record = run_pipeline(chosen, home, shown)
    if as_json:
        click.echo(json.dumps(record, indent=2))
    else:
        from ml_workflows.cli.tables import print_summary

        print_summary(home, record)
