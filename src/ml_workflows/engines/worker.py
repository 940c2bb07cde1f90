"""A process of its own for steps that import torch.

It starts to import while the steps before still run, keeps torch out of the main process, and
takes torch's memory with it. Parent and child talk in JSON lines: one request to the child's
standard input; ``progress``, then ``done``, ``fault`` or ``crash`` back. A child whose parent is
gone sees its input end, and ends itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any, TextIO

from ml_workflows.engines.execution import Progress, Request, execute
from ml_workflows.errors import FAULTS, UserFault

_STOP_SECONDS = 5


class StepWorker:
    """The parent's side. Used as a context manager: the child never outlives it."""

    def __init__(self, module: str) -> None:
        """Start a child, and let it import ``module`` at once."""
        command = [sys.executable, "-m", __name__, module]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def send(self, request: Request) -> None:
        """Let the child execute a step."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()

    def wait(self, progress: Progress) -> dict[str, float]:
        """The step's measurements; what it raised is raised here."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "progress" in message:
                progress(*message["progress"])
            elif "fault" in message:
                raise FAULTS[message["fault"]](**message["said"])
            elif "crash" in message:
                raise RuntimeError(f"the step crashed in its process:\n{message['crash']}")
            else:
                measurements: dict[str, float] = message["done"]
                return measurements
        raise RuntimeError(f"the step's process ended with code {self._process.wait()}")

    def stop(self) -> None:
        """End the child, by force if it must be."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main(module: str) -> None:
    """The child's side: import, take one request, execute it, answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and decides
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # no print can break the talk
    gc.disable()  # nothing of an import is garbage, and looking for it takes a tenth of the time
    importlib.import_module(module)
    gc.enable()
    line = sys.stdin.readline()
    if not line:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def progress(what: str, done: int, total: int) -> None:
        _answer(answers, {"progress": [what, done, total]})

    try:
        _answer(answers, {"done": execute(Request(**json.loads(line)), progress)})
    except UserFault as fault:
        said = {"what": fault.what, "remedy": fault.remedy}
        said |= {} if fault.seen is None else {"seen": str(fault.seen)}
        _answer(answers, {"fault": type(fault).__name__, "said": said})
    except Exception:  # whatever it is, the parent must hear of it
        _answer(answers, {"crash": traceback.format_exc()})


def _answer(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
