"""The step cache: what a step gave for a key, and the lock that lets one process compute it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ml_workflows.store.digests import canonical_json, digest_value, write_whole
from ml_workflows.store.home import Home

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that a step gave: its digest, size and name within the run's folder."""

    sha256: str
    bytes: int
    file: str


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step gave: artifacts by name, seconds it took, and measurements of this machine."""

    artifacts: dict[str, Artifact]
    seconds: float
    measurements: dict[str, float]


class StepCache:
    """Step results by step name and key. An entry that is damaged is a miss."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def read(self, step: str, key: str, *, say: Callable[[str], None]) -> StepResult | None:
        """The result of an earlier execution, every artifact checked by digest, or None.

        What is damaged is told to ``say`` and counts as absent.
        """
        try:
            entry = json.loads(self._path(step, key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            say(f"{step}: its cache entry is damaged; the step runs again")
            return None
        result = _checked(entry, step, key)
        if result is None:
            say(f"{step}: its cache entry is damaged or of another version; the step runs again")
            return None
        for name, artifact in result.artifacts.items():
            if not self.home.objects.holds(artifact.sha256):
                say(f"{step}: the stored {name} is damaged or gone; the step runs again")
                return None
        return result

    def write(self, step: str, key: str, result: StepResult) -> None:
        """Remember a result whose artifacts are in the object store."""
        content = {**_belonging(step, key), "result": asdict(result)}
        entry = {**content, "check": digest_value(content)}
        write_whole(self._path(step, key), canonical_json(entry).encode())

    @contextmanager
    def lock(self, step: str, key: str, *, say: Callable[[str], None]) -> Iterator[None]:
        """Only one process at a time computes a key; the others wait, and say so.

        The operating system frees the lock of a process that dies.
        """
        self.home.locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.home.locks / f"{step}-{key[:32]}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{step}: another run computes the same; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _path(self, step: str, key: str) -> Path:
        return self.home.steps / step / f"{key}.json"


def _belonging(step: str, key: str) -> dict[str, object]:
    return {"format": FORMAT, "step": step, "key": key}


def _checked(entry: Any, step: str, key: str) -> StepResult | None:
    if not isinstance(entry, Mapping):
        return None
    content = {name: value for name, value in entry.items() if name != "check"}
    if any(content.get(name) != value for name, value in _belonging(step, key).items()):
        return None
    try:
        if digest_value(content) != entry.get("check"):
            return None
    except ValueError:  # not even JSON of ours: it holds a NaN
        return None
    result = entry["result"]
    artifacts = {name: Artifact(**value) for name, value in result["artifacts"].items()}
    return StepResult(
        artifacts=artifacts, seconds=result["seconds"], measurements=result["measurements"]
    )
