"""Work side by side on threads; decoders and ONNX Runtime let other threads run meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ml_workflows.store.environment import cores

Given = TypeVar("Given")
Got = TypeVar("Got")

NICENESS = 10


def side_by_side(work: Callable[[Given], Got], items: Iterable[Given]) -> Iterator[Got]:
    """``work`` of each item in order, as many at a time as there are cores.

    When the caller stops early, what has not begun is dropped.
    """
    with ThreadPoolExecutor(cores(), initializer=_give_way) as threads:
        yield from threads.map(work, items)


def _give_way() -> None:
    """Let the rest of the machine go first: a process that imports torch, and the user."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
