"""The command ``ml-workflows``."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from ml_workflows import __version__
from ml_workflows.cli.inspect import runs_command, show_command
from ml_workflows.cli.predict import predict_command
from ml_workflows.cli.run import run_command
from ml_workflows.cli.stopping import Stopped, Stopping
from ml_workflows.cli.why import why_command
from ml_workflows.errors import UserFault, printable

DONE, OUR_FAULT, USER_FAULT = 0, 1, 2
_SIGNAL_EXIT = 128


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="ml-workflows")
def cli() -> None:
    """Train an image classifier on your labelled photos; rebuild and compare every result.

    Start with `ml-workflows run`, which trains on drawn demo photos.
    """


for command in (run_command, runs_command, show_command, predict_command, why_command):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; exit with 0 done, 2 user fault, 1 our fault, 128 + n for signal n."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        with Stopping():
            cli.main(prog_name="ml-workflows", standalone_mode=False)
    except click.exceptions.Exit as request:
        return request.exit_code
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, Stopped) as error:
        return _report(error)
    return DONE


def _report(error: BaseException) -> int:
    """Say what happened and what to do; the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return USER_FAULT
    if isinstance(error, UserFault):
        _print(f"error: {error}")
        return USER_FAULT
    if isinstance(error, Stopped):
        _print(f"{error}. Finished steps are kept; to go on: {_command()}")
        return _SIGNAL_EXIT + error.number
    traceback.print_exception(error)
    _print(f"error: this is a fault of ml-workflows {__version__}, not yours. Please report it.")
    return OUR_FAULT


def _command() -> str:
    name = Path(sys.argv[0]).name
    return printable(shlex.join(["ml-workflows" if name == "__main__.py" else name, *sys.argv[1:]]))


def _print(text: str) -> None:
    click.echo(text, err=True)
