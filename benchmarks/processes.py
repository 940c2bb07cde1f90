"""Whole processes: how long they take, and how much memory they hold with all their children."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A process that ended well."""

    seconds: float
    peak_bytes: int
    output: str


def run(command: list[str], *, folder: Path) -> Finished:
    """Run to the end and measure from outside; raises if the command fails.

    ``peak_bytes`` is the largest sum of the resident memory of the process and its descendants,
    sampled 50 times a second (pages that they share count more than once).
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peaks = [0]
    sampler = threading.Thread(target=_sample, args=(process, peaks), daemon=True)
    sampler.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - began
    sampler.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Finished(seconds=seconds, peak_bytes=peaks[0], output=output)


def _sample(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        peaks[0] = max(peaks[0], sum(map(_resident, _family(process.pid))))
        time.sleep(_SAMPLE_SECONDS)


def _family(pid: int) -> list[int]:
    """The process and its descendants (Linux)."""
    family = [pid]
    for parent in family:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                family += map(int, task.read_text().split())
            except OSError:
                continue
    return family


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
