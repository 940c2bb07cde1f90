"""Executing one step on this machine: its inputs as files, its function, its measurements."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_workflows.store.home import Home

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One execution of a step: plain values only, so that it can go to another process."""

    step: str
    module: str
    home: str
    data: str
    inputs: dict[str, str]
    parameters: dict[str, Any]
    out: str
    weights: dict[str, str] | None = None


def execute(request: Request, progress: Progress) -> dict[str, float]:
    """Call the step's function; its outputs are files in ``request.out`` afterwards."""
    from ml_workflows.data.photos import Photos
    from ml_workflows.data.sources import open_source
    from ml_workflows.steps.table import StepContext

    function = getattr(importlib.import_module(request.module), request.step)
    home = Home(Path(request.home))
    photos = Photos(open_source(request.data), cache_folder=home.photos)
    context = StepContext(
        photos=photos, photo_caches=home.photos, weights_folder=home.weights, progress=progress
    )
    given: dict[str, Any] = {name: Path(path) for name, path in request.inputs.items()}
    if request.weights is not None:
        from ml_workflows.model.weights import Weights

        given["weights"] = Weights(**request.weights)
    try:
        measurements: dict[str, float] = function(
            context, **given, **request.parameters, out=Path(request.out)
        )
    finally:
        photos.close()
    return measurements
