"""Flags made from the one table of parameters, and the flags that all commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ml_workflows import parameters
from ml_workflows.store.home import DEFAULT_HOME, HOME_VARIABLE, Home

Command = TypeVar("Command", bound=Callable[..., Any])

_KINDS = {int: click.INT, float: click.FLOAT, str: click.STRING}


def parameter_options(command: Command) -> Command:
    """One flag a parameter: ``--train-ratio`` for ``train_ratio``; None when it is not given."""
    for parameter in reversed(parameters.table()):
        flag = "--" + parameter.name.replace("_", "-")
        kind = _KINDS[type(parameter.default)]
        option = click.option(flag, parameter.name, type=kind, help=help_text(parameter))
        command = option(command)
    return command


def help_text(parameter: Any) -> str:
    """What the parameter means, its default, range and unit."""
    limits = parameters.limits(parameter)
    default = f"default: {parameter.default}"
    if limits.demo_default is not None:
        default += f", {limits.demo_default} for the demo"
    facts = [limits.unit, limits.range_text(), default]
    return f"{limits.help}  [{'; '.join(fact for fact in facts if fact)}]"


def home_option(command: Command) -> Command:
    """``--home``, else the environment variable, else ``.ml-workflows`` here."""
    return click.option(
        "--home",
        callback=lambda _context, _parameter, value: _home(value),
        metavar="FOLDER",
        help=f"where runs and the cache are kept  [default: {DEFAULT_HOME}, or {HOME_VARIABLE}]",
    )(command)


def json_option(command: Command) -> Command:
    """``--json``: for machines."""
    return click.option("--json", "as_json", is_flag=True, help="print JSON for machines")(command)


def _home(value: str | None) -> Home:
    return Home(Path(value or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME))
