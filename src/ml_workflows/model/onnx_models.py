"""The ONNX models that ship: the classifier on the backbone, and preprocessing before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.checker
import onnx.compose
import onnx.helper
import onnx.numpy_helper
import onnx.parser

from ml_workflows.model.backbone_graph import FEATURES
from ml_workflows.model.network import CHANNELS
from ml_workflows.model.preprocessing_graph import IR_VERSION, OPSET, PIXELS, preprocessing_model
from ml_workflows.store.digests import digest_bytes

OUTPUTS = ["logits", "probabilities", FEATURES]


def with_classifier(
    backbone: Any, head: Mapping[str, npt.NDArray[np.float32]], *, classes: tuple[str, ...]
) -> Any:
    """``pixels`` to ``logits`` and ``probabilities [N, classes]``, and ``features [N, 576]``.

    ``head`` holds the tensors of :func:`ml_workflows.model.network.classifier` by name.
    """
    count = len(classes)
    model = onnx.parser.parse_model(f"""
    <ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
    classifier (float[N, {CHANNELS}] {FEATURES})
        => (float[N, {count}] logits, float[N, {count}] probabilities)
    {{
        hidden = Gemm <transB = 1> ({FEATURES}, weight_0, bias_0)
        active = HardSwish (hidden)
        logits = Gemm <transB = 1> (active, weight_3, bias_3)
        probabilities = Softmax <axis = 1> (logits)
    }}
    """)
    for name, tensor in sorted(head.items()):
        layer, _, kind = name.partition(".")
        model.graph.initializer.append(onnx.numpy_helper.from_array(tensor, f"{kind}_{layer}"))
    metadata = {
        "classes": json.dumps(classes),
        "backbone_sha256": digest_bytes(to_bytes(backbone)),
        "input": "normalised float32 [N, 3, 224, 224]",
    }
    whole = onnx.compose.merge_models(
        backbone, model, io_map=[(FEATURES, FEATURES)], outputs=OUTPUTS
    )
    return _finished(whole, metadata)


def with_preprocessing(classifier: Any) -> Any:
    """Raw ``photos [N, H, W, 3] uint8`` of any size, upright RGB, to the classifier's outputs."""
    metadata = {entry.key: entry.value for entry in classifier.metadata_props}
    metadata["input"] = "upright RGB photos uint8 [N, H, W, 3]"
    whole = onnx.compose.merge_models(preprocessing_model(), classifier, io_map=[(PIXELS, PIXELS)])
    return _finished(whole, metadata)


def to_bytes(model: Any) -> bytes:
    """The model's file; same model, same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _finished(model: Any, metadata: Mapping[str, str]) -> Any:
    """Outputs in the order in which people expect them, and only metadata of ours."""
    outputs = {output.name: output for output in model.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(outputs[name] for name in OUTPUTS)
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "ml-workflows", "", ""
    model.graph.name = "mobilenet_v3_small"
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model
