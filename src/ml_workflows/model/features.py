"""Backbone features of photos: each photo passes through the backbone once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_workflows.data.photos import Photos
from ml_workflows.data.preprocessing import to_input
from ml_workflows.data.splits import SplitPhoto
from ml_workflows.model.preprocessing_graph import PIXELS
from ml_workflows.model.runtime import open_session
from ml_workflows.parallel import side_by_side
from ml_workflows.store.digests import digest_bytes, digest_value
from ml_workflows.store.environment import cpu_features
from ml_workflows.store.photo_cache import PhotoCache

#: Features of so many photos are written at a time; an interrupted run loses at most these.
FEATURES_A_WRITE = 64

Features = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Features ``[N, 576] float32`` and how many photos had to pass through the backbone."""

    features: Features
    extracted: int


class FeatureCache:
    """Features ``[576] float32`` by photo; of one backbone, decoder, runtime and CPU."""

    def __init__(self, folder: Path, *, backbone_sha256: str, photos: Photos) -> None:
        context = {
            "backbone": backbone_sha256,
            "pixels": photos.context,
            "runtime": onnxruntime.__version__,
            "cpu": cpu_features(),
        }
        self._cache = PhotoCache(folder, kind="features", context=digest_value(context))

    def get(self, rows: Sequence[SplitPhoto]) -> dict[str, Features]:
        """What is known, by the photo's digest."""
        found = self._cache.get([row.sha256 for row in rows])
        return {digest: np.frombuffer(value, np.float32) for digest, value in found.items()}

    def put(self, features: dict[str, Features]) -> None:
        """Keep features by the photo's digest."""
        self._cache.put((digest, value.tobytes()) for digest, value in features.items())

    def close(self) -> None:
        """Close the file."""
        self._cache.close()


def extract_features(
    backbone: bytes,
    photos: Photos,
    rows: Sequence[SplitPhoto],
    *,
    cache_folder: Path,
    advance: Callable[[int], None],
) -> Extraction:
    """The features of each photo, from the cache or by the ONNX ``backbone``.

    A photo runs alone through a one-thread session, so neither batches nor cores change a bit.
    """
    cache = FeatureCache(cache_folder, backbone_sha256=digest_bytes(backbone), photos=photos)
    try:
        found = cache.get(rows)
        new = list({row.sha256: row for row in rows if row.sha256 not in found}.values())
        advance(len(rows) - len(new))
        session = open_session(backbone)

        def run(row: SplitPhoto) -> tuple[str, Features]:
            (features,) = session.run(None, {PIXELS: to_input(photos.pixels(row)[None])})
            return row.sha256, np.asarray(features[0], dtype=np.float32)

        fresh: dict[str, Features] = {}
        for digest, features in side_by_side(run, new):
            found[digest] = fresh[digest] = features
            if len(fresh) == FEATURES_A_WRITE:
                cache.put(fresh)
                fresh.clear()
            advance(1)
        cache.put(fresh)
    finally:
        cache.close()
    return Extraction(features=np.stack([found[row.sha256] for row in rows]), extracted=len(new))
