"""What many tests need: a few demo photos, and the command as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.data.demo import draw_demo_photos

FAST = ("--weights", "none", "--epochs", "2")
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The run record that ``run --json`` printed."""
        assert self.code == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found

    def outcomes(self) -> dict[str, str]:
        """Step by step: ran or cached."""
        return {name: step["outcome"] for name, step in self.record["steps"].items()}

    def digests(self) -> dict[str, str]:
        """The SHA-256 of every artifact."""
        steps = self.record["steps"].values()
        return {name: a["sha256"] for step in steps for name, a in step["artifacts"].items()}


Command = Callable[..., Answer]


def command(*words: str) -> list[str]:
    """The command line that runs ``ml-workflows`` of this interpreter."""
    return [sys.executable, "-m", "ml_workflows", *words]


@pytest.fixture
def ml_workflows(tmp_path: Path) -> Command:
    """Run the command in an empty folder, whose ``.ml-workflows`` is the home."""

    def run(*words: str | Path, **environment: str) -> Answer:
        done = subprocess.run(
            command(*map(str, words)),
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture(scope="session")
def demo_share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 70 demo photos of 11 classes; not to be changed."""
    folder = tmp_path_factory.mktemp("demo")
    draw_demo_photos(folder, share=0.1)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with ``weather4/`` and ``weights/``, named by ML_WORKFLOWS_REAL_DATA."""
    folder = os.environ.get("ML_WORKFLOWS_REAL_DATA")
    if not folder:
        pytest.skip("ML_WORKFLOWS_REAL_DATA is not set: no real photos and weights here")
    return Path(folder)
