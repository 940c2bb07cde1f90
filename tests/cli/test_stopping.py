"""A signal ends the work even where something swallows its first exception."""

from __future__ import annotations

import subprocess
import sys

import pytest

SWALLOWED = """
import os, signal, time
from ml_workflows.cli.stopping import Stopped, Stopping

try:
    with Stopping():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except BaseException:
            pass  # as some libraries do
        try:
            time.sleep(10)
        finally:
            time.sleep(1)
            print("cleaned up")
except Stopped as stopped:
    print(stopped)
"""


@pytest.mark.parametrize("attempt", range(3))
def test_a_swallowed_signal_comes_again_and_does_not_disturb_the_cleaning_up(attempt: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "cleaned up\nstopped by SIGTERM\n"
