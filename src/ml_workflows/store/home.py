"""The home: one folder that holds all that the tool keeps.

objects/          artifacts by SHA-256
steps/            the step cache: what a step's key gave
photos/           what was worked out for each photo: facts, pixels, features
runs/RUN/         a run's record, report and artifacts under readable names
weights/          downloaded backbone weights
demo/             the drawn demo photos
locks/ scratch/   who computes what now, and where
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ml_workflows.errors import HomeFault
from ml_workflows.store.objects import ObjectStore

DEFAULT_HOME = Path(".ml-workflows")
HOME_VARIABLE = "ML_WORKFLOWS_HOME"
LOCK = ".lock"

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class Home:
    """Paths below the home's root."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.objects = ObjectStore(self.root / "objects")
        self.steps = self.root / "steps"
        self.photos = self.root / "photos"
        self.runs = self.root / "runs"
        self.weights = self.root / "weights"
        self.demo = self.root / "demo"
        self.locks = self.root / "locks"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for unfinished work, on the home's file system, gone at the end.

        A lock beside it says that its process lives; :meth:`sweep` removes those of the dead.
        """
        parent = self.root / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / secrets.token_hex(8)
        lock = FileLock(folder.with_suffix(LOCK))
        try:
            lock.acquire()
            folder.mkdir()
            yield folder
        finally:
            _remove(folder, lock)

    def sweep(self) -> None:
        """Remove the scratch folders whose processes are gone."""
        for path in (self.root / "scratch").glob(f"*{LOCK}"):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _remove(path.with_suffix(""), lock)

    def check_writable(self) -> None:
        """Raises HomeFault if nothing can be written here."""
        with self.faults(), self.scratch() as folder:
            (folder / "probe").write_bytes(b"probe")

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn a full disk or a refused write into a HomeFault."""
        try:
            yield
        except OSError as error:
            if error.errno in _CANNOT_WRITE or isinstance(
                error, FileExistsError | NotADirectoryError
            ):
                raise cannot_write(self.root, error) from error
            raise


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def cannot_write(place: Path, error: Exception) -> HomeFault:
    """The fault of a disk that is full or refuses to be written."""
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return HomeFault(
        f"the home {place} cannot be written: {reason}",
        remedy="Free some space or give another folder with --home; finished steps are kept.",
    )
