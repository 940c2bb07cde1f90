"""Where photos live: what is there, and the bytes of one photo.

A source lists photos by key, the path below its root with ``/``. The first part of the key is
the photo's label. This is the seam for buckets and archives.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from ml_workflows.data.decoding import SIGNATURE_BYTES, looks_like_photo
from ml_workflows.errors import DataFault

_NOT_PHOTOS = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "__macosx"))


@dataclass(frozen=True, kw_only=True)
class ListedPhoto:
    """A photo that a source holds. ``label`` is empty for a photo outside any class folder."""

    key: str
    label: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All photos of a source by key, and the files that are no photos."""

    photos: tuple[ListedPhoto, ...]
    ignored: tuple[str, ...]

    def to_text(self) -> str:
        """One JSON line a photo, one a file that is no photo: same photos, same text."""
        lines = [json.dumps(asdict(photo), sort_keys=True) for photo in self.photos]
        lines += [json.dumps({"ignored": key}) for key in self.ignored]
        return "".join(line + "\n" for line in lines)

    @staticmethod
    def from_text(text: str) -> Listing:
        """The listing that :meth:`to_text` wrote."""
        rows = [json.loads(line) for line in text.splitlines()]
        return Listing(
            photos=tuple(ListedPhoto(**row) for row in rows if "ignored" not in row),
            ignored=tuple(row["ignored"] for row in rows if "ignored" in row),
        )


class PhotoSource(Protocol):
    """A place that holds labelled photos."""

    def list(self, *, advance: Callable[[int], None]) -> Listing:
        """Every photo by key; ``advance`` is told how many more were seen."""

    def read(self, key: str) -> bytes:
        """The bytes of one photo; raises DataFault when it cannot be read."""


def open_source(data: str) -> PhotoSource:
    """The source that ``data`` names.

    Raises:
        DataFault: there is no such folder, or the URI is of a kind that is not read yet.
    """
    if not data:
        raise DataFault("data names no folder", remedy="Give --data a folder of photos.")
    if "://" in data:
        raise DataFault(
            "only local folders are read so far",
            seen=data,
            remedy="Copy the photos into a folder with one sub-folder a class and name that.",
        )
    return LocalFolder(Path(data))


class LocalFolder:
    """Photos in a folder, one sub-folder a class, nested as deep as you like."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.is_dir():
            kind = "not a folder" if root.exists() else "not there"
            raise DataFault(
                f"the photo folder is {kind}",
                seen=root,
                remedy="Give --data a folder with one sub-folder of photos a class.",
            )

    def list(self, *, advance: Callable[[int], None]) -> Listing:
        """Every photo by key, with the SHA-256 of its bytes now."""
        photos: list[ListedPhoto] = []
        ignored: list[str] = []
        for path in _files(self.root):
            relative = path.relative_to(self.root).as_posix()
            photo = _listed(path, key=_text(relative))
            if photo is None:
                ignored.append(_text(relative))
            else:
                photos.append(photo)
                advance(1)
        return Listing(
            photos=tuple(sorted(photos, key=lambda photo: photo.key)),
            ignored=tuple(sorted(ignored)),
        )

    def read(self, key: str) -> bytes:
        """The bytes of one photo."""
        try:
            return (self.root / key).read_bytes()
        except OSError as error:
            raise DataFault(
                f"the photo {key!r} cannot be read: {error.strerror}",
                remedy="Was it moved or deleted while the run went on? Run the command again.",
            ) from error


def _text(name: str) -> str:
    """A file name as text that can be written as UTF-8; other bytes become ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _files(root: Path) -> Iterator[Path]:
    """All files below ``root`` but hidden ones, each folder once.

    Linked folders come last, so that no link takes the photos of the folder that it leads to.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        linked: list[Path] = []
        for start in waiting:
            for name, folders, names in os.walk(start, onerror=_refuse):
                folder = Path(name)
                here = folder.stat()
                if (here.st_dev, here.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((here.st_dev, here.st_ino))
                folders[:] = sorted(name for name in folders if _is_shown(name))
                linked += [folder / name for name in folders if (folder / name).is_symlink()]
                yield from (folder / name for name in sorted(names) if _is_shown(name))
        waiting = linked


def _refuse(error: OSError) -> None:
    raise DataFault(
        f"a folder below the photo folder cannot be listed: {error.strerror}",
        seen=error.filename,
        remedy="Make it readable or take it away.",
    ) from error


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_PHOTOS


def _listed(path: Path, *, key: str) -> ListedPhoto | None:
    """The photo at ``path``, or None when the file is none.

    A photo that cannot be read, or not found again by its key, has no digest.
    """
    unreadable = ListedPhoto(key=key, label="", bytes=0, sha256="")
    if path.exists() and not path.is_file():  # a pipe or a device would never end
        return None
    label = key.partition("/")[0] if "/" in key else ""
    try:
        with path.open("rb") as file:
            head = file.read(SIGNATURE_BYTES)
            if not looks_like_photo(path.name, head):
                return None
            digest = hashlib.sha256(head)
            size = len(head)
            while piece := file.read(1 << 20):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return unreadable if looks_like_photo(path.name, b"") else None
    if not str(path).endswith(key):
        return unreadable
    return ListedPhoto(key=key, label=label, bytes=size, sha256=digest.hexdigest())
