"""ONNX Runtime as it is used everywhere here: CPU, one thread a session call, no telemetry.

One-thread calls give the same bits whatever the number of cores; several run side by side.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Array = npt.NDArray[Any]

_ERRORS_ONLY = 3


def session_options() -> Any:
    """Options for one thread; only errors are logged."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return options


def open_session(model: Path | bytes) -> Any:
    """An inference session on the CPU."""
    onnxruntime.disable_telemetry_events()
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(
        source, session_options(), providers=["CPUExecutionProvider"]
    )


class Classifier:
    """A shipped ONNX model: its classes, its backbone's digest, and logits for inputs."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)
        self._input = self._session.get_inputs()[0].name
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.classes: tuple[str, ...] = tuple(json.loads(metadata["classes"]))
        self.backbone_sha256: str = metadata["backbone_sha256"]

    def logits(self, batch: Array) -> npt.NDArray[np.float32]:
        """``[N, classes] float32`` for one batch of what the model takes."""
        (logits,) = self._session.run(["logits"], {self._input: batch})
        return np.asarray(logits, dtype=np.float32)

    def logits_and_features(self, batch: Array) -> tuple[npt.NDArray[np.float32], ...]:
        """``[N, classes]`` and the backbone's ``[N, 576]``, both float32."""
        logits, features = self._session.run(["logits", "features"], {self._input: batch})
        return np.asarray(logits, dtype=np.float32), np.asarray(features, dtype=np.float32)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities ``[N, classes] float64`` of logits."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
