"""``optimize_model``: the ONNX model with its graph optimised, checked on every test photo."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_workflows.data.preprocessing import CROP_PX, to_input
from ml_workflows.data.splits import SplitPhoto, read_split
from ml_workflows.errors import AgreementFault
from ml_workflows.model.runtime import Classifier, session_options
from ml_workflows.parallel import side_by_side
from ml_workflows.steps.table import StepContext

LATENCY_RUNS = 30

Floats = npt.NDArray[np.float32]


def optimize_model(
    context: StepContext, *, test_split: Path, onnx_model: Path, out: Path
) -> dict[str, float]:
    """Let ONNX Runtime fuse the graph once, so that no client spends the time at every start.

    Only optimisations that hold on every CPU are taken. The latencies (batch 1, one thread) are
    of this machine, so they go into the run record and not into an artifact.

    Raises:
        AgreementFault: a test photo gets another label than from the model before, or none.
        DataFault: a photo whose pixels are not known yet changed or is gone.
    """
    optimized = out / "optimized_onnx_model.onnx"
    _optimize(onnx_model, optimized)
    before, after = Classifier(onnx_model), Classifier(optimized)
    rows = read_split(test_split).photos
    advance = context.counting("checking the optimized model", len(rows))
    difference = 0.0

    def score(photo: SplitPhoto) -> tuple[Floats, Floats]:
        inputs = to_input(context.photos.pixels(photo)[None])
        return before.logits(inputs), after.logits(inputs)

    for photo, (was, now) in zip(rows, side_by_side(score, rows), strict=True):
        if was.argmax() != now.argmax() or not np.isfinite(now).all():
            raise AgreementFault(
                f"the optimized model labels {photo.key!r} differently",
                remedy="Ship the model as it was before; compare onnxruntime with the lock.",
            )
        difference = max(difference, float(np.abs(was - now).max()))
        advance(1)
    metrics = {
        "checkedPhotos": len(rows),
        "labelChanges": 0,
        "largestLogitDifference": difference,
        "bytesBefore": onnx_model.stat().st_size,
        "bytesAfter": optimized.stat().st_size,
    }
    (out / "optimization_metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    seconds = _latencies(before, after)
    return {"latencyBeforeSeconds": seconds[0], "latencyAfterSeconds": seconds[1]}


def _optimize(model: Path, target: Path) -> None:
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _latencies(*models: Classifier) -> list[float]:
    """Median seconds a photo of each model, measured in turn."""
    photo: Floats = np.zeros((1, 3, CROP_PX, CROP_PX), dtype=np.float32)
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(LATENCY_RUNS):
        for model, times in zip(models, seconds, strict=True):
            start = time.perf_counter()
            model.logits(photo)
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]
