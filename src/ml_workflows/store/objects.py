"""The content-addressed store: a file's name is the SHA-256 of its content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ml_workflows.store.digests import digest_file, flush_to_disk, written_whole

READ_ONLY = 0o444


class ObjectStore:
    """Files by digest under ``root``, each whole, each once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the object lies, or would lie."""
        return self.root / digest[:2] / digest[2:]

    def add(self, file: Path) -> str:
        """Move ``file`` (of the same file system) into the store; its digest.

        A damaged object of the same digest is replaced.
        """
        digest = digest_file(file)
        if not self.holds(digest):
            flush_to_disk(file)
            file.chmod(READ_ONLY)
            target = self.path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
        return digest

    def add_bytes(self, content: bytes, *, scratch: Path) -> str:
        """Store ``content`` by way of a file in ``scratch``."""
        scratch.mkdir(parents=True, exist_ok=True)
        file = scratch / "object"
        file.write_bytes(content)
        return self.add(file)

    def holds(self, digest: str) -> bool:
        """Whether the object is there and its content still has that digest."""
        path = self.path(digest)
        try:
            return digest_file(path) == digest
        except OSError:
            return False

    def lay_out(self, digest: str, target: Path) -> None:
        """Give the object a readable name: a hard link, or a copy where links cannot be made."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.path(digest), target)
        except OSError:
            with written_whole(target) as temporary:
                shutil.copyfile(self.path(digest), temporary)
            target.chmod(READ_ONLY)
