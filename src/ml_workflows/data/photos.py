"""Photos at work: bytes that are checked, pixels that are decoded once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml_workflows.data import decoding, preprocessing
from ml_workflows.data.decoding import Decoded, Undecodable
from ml_workflows.data.sources import ListedPhoto, PhotoSource
from ml_workflows.data.splits import SplitPhoto
from ml_workflows.errors import DataFault
from ml_workflows.parallel import side_by_side
from ml_workflows.store.digests import digest_bytes, digest_value
from ml_workflows.store.photo_cache import PhotoCache
from ml_workflows.store.source_code import source_code

#: What is known of so many photos is written at a time.
FACTS_A_WRITE = 64
#: About 28,000 photos; those beyond are decoded when they are needed.
MAX_PIXEL_CACHE_BYTES = 4 * 2**30
#: No photo that was accepted by prepare_data is refused by a later step.
_NO_BUDGET = {"max_photo_bytes": 2**40, "max_photo_pixels": 2**40}

_PIXELS_SHAPE = (preprocessing.CROP_PX, preprocessing.CROP_PX, 3)

Photo = ListedPhoto | SplitPhoto
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What decoding a photo told: its format and upright size, or why it cannot be used."""

    format: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    detail: str = ""


class Photos:
    """A source's photos, with what is already known of each by the digest of its bytes."""

    def __init__(self, source: PhotoSource, *, cache_folder: Path) -> None:
        context = digest_value(
            {
                "decoder": decoding.decoder_versions(),
                "source": {
                    name: digest
                    for module in (decoding, preprocessing)
                    for name, digest in source_code(module.__name__).files.items()
                },
            }
        )
        self.source = source
        self.context = context
        self.decoded = 0
        self._counting = threading.Lock()
        self._facts = PhotoCache(cache_folder, kind="facts", context=context)
        self._pixels = PhotoCache(
            cache_folder, kind="pixels", context=context, max_bytes=MAX_PIXEL_CACHE_BYTES
        )

    def close(self) -> None:
        """Close the caches."""
        self._facts.close()
        self._pixels.close()

    def read(self, photo: Photo) -> bytes:
        """The photo's bytes; raises DataFault when they are no more those that were listed."""
        content = self.source.read(photo.key)
        if digest_bytes(content) != photo.sha256:
            raise DataFault(
                f"the photo {photo.key!r} changed while the run went on",
                remedy="Run the command again; it starts from the photos as they are now.",
            )
        return content

    def image(self, photo: Photo) -> Image.Image:
        """The whole photo as upright RGB."""
        self._count()
        return decoding.decode(self.read(photo), **_NO_BUDGET).image

    def examine(
        self,
        photos: Sequence[ListedPhoto],
        *,
        max_photo_bytes: int,
        max_photo_pixels: int,
        advance: Callable[[int], None],
    ) -> list[Facts]:
        """Decode each photo that is new within the budgets; the facts of all, in order.

        The pixels that the network will see are kept on the way.
        """

        def is_known(photo: ListedPhoto) -> bool:
            facts = known.get(photo.sha256)
            if facts is None or photo.bytes > max_photo_bytes:
                return False
            return facts.width * facts.height <= max_photo_pixels

        def examine(photo: ListedPhoto) -> tuple[str, Facts]:
            try:
                return photo.sha256, self._decode_first(photo, max_photo_bytes, max_photo_pixels)
            except Undecodable as error:
                return photo.sha256, Facts(**vars(error))

        cached = self._facts.get([photo.sha256 for photo in photos])
        known = {digest: Facts(**json.loads(value)) for digest, value in cached.items()}
        new = list({photo.sha256: photo for photo in photos if not is_known(photo)}.values())
        advance(len(photos) - len(new))
        fresh: list[tuple[str, Facts]] = []
        for digest, facts in side_by_side(examine, new):
            known[digest] = facts
            fresh.append((digest, facts))
            if len(fresh) == FACTS_A_WRITE:
                self._keep(fresh)
                fresh.clear()
            advance(1)
        self._keep(fresh)
        return [known[photo.sha256] for photo in photos]

    def pixels(self, photo: SplitPhoto) -> Pixels:
        """What the network sees of the photo, ``[224, 224, 3] uint8``; decoded if it must be."""
        cached = self._pixels.get([photo.sha256]).get(photo.sha256)
        if cached is not None:
            return np.frombuffer(cached, dtype=np.uint8).reshape(_PIXELS_SHAPE)
        self._count()
        return self._keep_pixels(photo, _decoded_small(self.read(photo), **_NO_BUDGET))

    def _decode_first(
        self, photo: ListedPhoto, max_photo_bytes: int, max_photo_pixels: int
    ) -> Facts:
        if not photo.sha256:
            raise Undecodable("unreadable", "the file, or its name, cannot be read")
        if photo.bytes > max_photo_bytes:
            detail = f"{photo.bytes} bytes, the budget is {max_photo_bytes}"
            raise Undecodable("too_many_bytes", detail)
        seen = _decoded_small(
            self.read(photo), max_photo_bytes=max_photo_bytes, max_photo_pixels=max_photo_pixels
        )
        self._count()
        self._keep_pixels(photo, seen)
        return Facts(format=seen.format, width=seen.width, height=seen.height)

    def _keep_pixels(self, photo: Photo, seen: Decoded) -> Pixels:
        pixels = preprocessing.to_pixels(seen.image, width=seen.width, height=seen.height)
        self._pixels.put([(photo.sha256, pixels.tobytes())])
        return pixels

    def _count(self) -> None:
        with self._counting:
            self.decoded += 1

    def _keep(self, fresh: Sequence[tuple[str, Facts]]) -> None:
        """Budget refusals are not kept: the budget may be another one next time."""
        self._facts.put(
            (digest, json.dumps(vars(facts)).encode())
            for digest, facts in fresh
            if digest and not facts.reason.startswith("too_many")
        )


def _decoded_small(content: bytes, *, max_photo_bytes: int, max_photo_pixels: int) -> Decoded:
    """Decoded no larger than the network needs it."""
    return decoding.decode(
        content,
        max_photo_bytes=max_photo_bytes,
        max_photo_pixels=max_photo_pixels,
        least_px=preprocessing.LEAST_DECODED_PX,
    )
