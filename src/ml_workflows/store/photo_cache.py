"""What was worked out for each photo, by the SHA-256 of its bytes: facts, pixels, features.

One SQLite file a kind and context. The context names all that the values depend on besides the
photo (decoder, preprocessing, backbone, runtime, CPU); another context is another file, so a
home that moves to another machine never mixes bits. Each row carries a check of its own: a row
that is damaged is a miss, and a file that is damaged is begun anew.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock

from ml_workflows.store.home import LOCK, cannot_write

CHECK_BYTES = 8
_ROWS_A_QUERY = 500


class PhotoCache:
    """Byte strings by photo digest in ``folder/kind-context.sqlite``. Safe among processes."""

    def __init__(
        self, folder: Path, *, kind: str, context: str, max_bytes: int | None = None
    ) -> None:
        """``max_bytes`` bounds the file: once it is that large nothing more is kept."""
        self.path = folder / f"{kind}-{context[:32]}.sqlite"
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._opening():
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError:
                self._remove()
                self._connection = self._open()

    def get(self, digests: Sequence[str]) -> dict[str, bytes]:
        """The values that are there and whole."""
        found: dict[str, bytes] = {}
        with self._lock:
            for start in range(0, len(digests), _ROWS_A_QUERY):
                part = [bytes.fromhex(digest) for digest in digests[start : start + _ROWS_A_QUERY]]
                marks = ",".join("?" * len(part))
                query = f"SELECT photo, value, mark FROM photos WHERE photo IN ({marks})"  # noqa: S608
                try:
                    rows = self._connection.execute(query, part).fetchall()
                except sqlite3.OperationalError:  # busy, or the disk refuses: not known for now
                    return {}
                except sqlite3.DatabaseError:
                    self._begin_anew()
                    return {}
                for photo, value, mark in rows:
                    if isinstance(value, bytes) and _mark(photo, value) == mark:
                        found[photo.hex()] = value
        return found

    def put(self, values: Iterable[tuple[str, bytes]]) -> None:
        """Keep values; raises HomeFault when the disk refuses them."""
        rows = [(photo := bytes.fromhex(key), value, _mark(photo, value)) for key, value in values]
        with self._lock:
            if not rows or self._is_full():
                return
            try:
                self._insert(rows)
            except sqlite3.OperationalError as error:
                raise cannot_write(self.path.parent.parent, error) from error
            except sqlite3.DatabaseError:
                self._begin_anew()
                self._insert(rows)

    def close(self) -> None:
        """Close the file; the cache is not to be used any more."""
        with self._lock:
            self._connection.close()

    def _insert(self, rows: list[tuple[bytes, bytes, bytes]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?, ?)", rows)

    def _is_full(self) -> bool:
        return self.max_bytes is not None and self.path.stat().st_size >= self.max_bytes

    def _opening(self) -> FileLock:
        """SQLite does not wait for a file that another process is just turning to WAL."""
        return FileLock(self.path.with_suffix(LOCK))

    def _open(self) -> sqlite3.Connection:
        """Raises DatabaseError for a damaged file, HomeFault where the disk refuses."""
        try:
            connection = sqlite3.connect(self.path, timeout=60, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise cannot_write(self.path.parent.parent, error) from error
        try:
            # A lost page costs a recomputation, never a wrong value: rows carry a check.
            connection.execute("PRAGMA page_size = 65536")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS photos"
                " (photo BLOB PRIMARY KEY, value BLOB NOT NULL, mark BLOB NOT NULL)"
            )
        except sqlite3.OperationalError as error:
            connection.close()
            raise cannot_write(self.path.parent.parent, error) from error
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _begin_anew(self) -> None:
        self._connection.close()
        with self._opening():
            self._remove()
            self._connection = self._open()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _mark(photo: bytes, value: bytes) -> bytes:
    return hashlib.sha256(photo + value).digest()[:CHECK_BYTES]
