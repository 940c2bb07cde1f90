"""The backbone of :mod:`ml_workflows.model.network` as an ONNX graph, written from its weights.

torch's exporter through TorchScript is on its way out, and the one after it takes longer than the
whole run. Whether the graph says what PyTorch computes is measured in every ``evaluate_model``.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx.numpy_helper
import onnx.parser

from ml_workflows.data.preprocessing import CROP_PX
from ml_workflows.model.network import (
    BATCH_NORM_EPSILON,
    BLOCKS,
    CHANNELS,
    STEM,
    Block,
    MobileNetV3Small,
)
from ml_workflows.model.preprocessing_graph import IR_VERSION, OPSET, PIXELS

FEATURES = "features"

#: ONNX counts a sixth for torch's hard sigmoid.
_SIXTH = 1 / 6


def backbone_model(network: MobileNetV3Small) -> Any:
    """``pixels [N, 3, 224, 224] float32`` to ``features [N, 576] float32``.

    BatchNorm is frozen: it takes the statistics that came with the weights.
    """
    lines: list[str] = []
    value = _convolution(lines, PIXELS, "0", kernel_px=3, stride=2)
    channels = STEM
    for index, block in enumerate(BLOCKS, start=1):
        value = _inverted_residual(lines, value, f"{index}.block", channels, block)
        channels = block.out
    value = _convolution(lines, value, str(len(BLOCKS) + 1), kernel_px=1)
    lines.append(f"pooled = GlobalAveragePool ({value})")
    lines.append(f"{FEATURES} = Flatten <axis = 1> (pooled)")
    body = "\n        ".join(lines)
    model = onnx.parser.parse_model(f"""
    <ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
    backbone (float[N, 3, {CROP_PX}, {CROP_PX}] {PIXELS}) => (float[N, {CHANNELS}] {FEATURES})
    {{
        {body}
    }}
    """)
    for name, tensor in network.features.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            initializer = onnx.numpy_helper.from_array(tensor.numpy(), _variable(name))
            model.graph.initializer.append(initializer)
    return model


def _inverted_residual(lines: list[str], x: str, name: str, channels: int, block: Block) -> str:
    value, layer = x, 0
    activation = "HardSwish" if block.hardswish else "Relu"
    if block.expanded != channels:
        value = _convolution(lines, value, f"{name}.{layer}", kernel_px=1, activation=activation)
        layer += 1
    value = _convolution(
        lines,
        value,
        f"{name}.{layer}",
        kernel_px=block.kernel_px,
        stride=block.stride,
        groups=block.expanded,
        activation=activation,
    )
    layer += 1
    if block.squeeze:
        value = _squeeze_excitation(lines, value, f"{name}.{layer}")
        layer += 1
    value = _convolution(lines, value, f"{name}.{layer}", kernel_px=1, activation="")
    if block.stride == 1 and channels == block.out:
        value = _emit(lines, f"{name}.sum", f"Add ({value}, {x})")
    return value


def _squeeze_excitation(lines: list[str], x: str, name: str) -> str:
    pooled = _emit(lines, f"{name}.pool", f"GlobalAveragePool ({x})")
    squeezed = _emit(lines, f"{name}.squeeze", f"Conv ({pooled}, {_parameters(name, 'fc1')})")
    active = _emit(lines, f"{name}.relu", f"Relu ({squeezed})")
    excited = _emit(lines, f"{name}.excite", f"Conv ({active}, {_parameters(name, 'fc2')})")
    scale = _emit(lines, f"{name}.scale", f"HardSigmoid <alpha = {_SIXTH:.9g}> ({excited})")
    return _emit(lines, f"{name}.scaled", f"Mul ({scale}, {x})")


def _convolution(
    lines: list[str],
    x: str,
    name: str,
    *,
    kernel_px: int,
    stride: int = 1,
    groups: int = 1,
    activation: str = "HardSwish",
) -> str:
    """Convolution, BatchNorm and activation; the name of the result."""
    pad = (kernel_px - 1) // 2
    shape = f"strides = [{stride}, {stride}], pads = [{pad}, {pad}, {pad}, {pad}], group = {groups}"
    conv = _emit(lines, f"{name}.conv", f"Conv <{shape}> ({x}, {_variable(f'{name}.0.weight')})")
    statistics = ", ".join(
        _variable(f"{name}.1.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    epsilon = f"epsilon = {BATCH_NORM_EPSILON}"
    normal = _emit(lines, f"{name}.norm", f"BatchNormalization <{epsilon}> ({conv}, {statistics})")
    return _emit(lines, f"{name}.active", f"{activation} ({normal})") if activation else normal


def _emit(lines: list[str], name: str, operation: str) -> str:
    lines.append(f"{_variable(name)} = {operation}")
    return _variable(name)


def _parameters(name: str, layer: str) -> str:
    return f"{_variable(f'{name}.{layer}.weight')}, {_variable(f'{name}.{layer}.bias')}"


def _variable(name: str) -> str:
    """A tensor's name as the text form of ONNX takes it."""
    return "v" + name.replace(".", "_")
