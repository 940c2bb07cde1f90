"""The preprocessing of :mod:`ml_workflows.data.preprocessing` as an ONNX graph.

Antialiased bilinear resizing is linear in each direction, so it is two matrix products with
weights that the graph works out from the photo's size. ONNX's own Resize takes ten times as long
on large photos and rounds other sizes. As Pillow does, each direction's result is rounded to
whole grey values, and the edges of the crop to float32; all other positions are float64.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx.parser

from ml_workflows.data.preprocessing import CROP_PX, MEAN, RESIZE_PX, STD

OPSET = 17
IR_VERSION = 8
PHOTOS = "photos"
PIXELS = "pixels"


def preprocessing_model() -> Any:
    """Raw ``photos [N, H, W, 3] uint8`` to normalised ``pixels [N, 3, 224, 224] float32``."""
    mean, std = (", ".join(f"{value:.9g}" for value in values) for values in (MEAN, STD))
    text = f"""
    <ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
    preprocessing (uint8[N, H, W, 3] {PHOTOS}) => (float[N, 3, {CROP_PX}, {CROP_PX}] {PIXELS})
    <int64 resize = {{{RESIZE_PX}}}, int64 crop = {{{CROP_PX}}}, int64 one_i = {{1}},
     int64 zero_i = {{0}}, int64[1] axis_1 = {{1}}, int64[1] axis_2 = {{2}},
     int64[1] scalar_shape = {{-1}}, int64[2] row = {{1, -1}}, int64[2] column = {{-1, 1}},
     double half = {{0.5}}, double one = {{1.0}}, double two = {{2.0}}, double zero = {{0.0}},
     double crop_d = {{{CROP_PX}.0}},
     float half_f = {{0.5}}, float low = {{0.0}}, float high = {{255.0}},
     float[1, 3, 1, 1] mean = {{{mean}}}, float[1, 3, 1, 1] std = {{{std}}}>
    {{
        height = Shape <start = 1, end = 2> ({PHOTOS})
        width = Shape <start = 2, end = 3> ({PHOTOS})
        short = Min (height, width)
        {_axis("y", "height")}
        {_axis("x", "width")}
        rows = Slice ({PHOTOS}, y_from, y_to, axis_1)
        part = Slice (rows, x_from, x_to, axis_2)
        planes = Transpose <perm = [0, 3, 1, 2]> (part)
        floats = Cast <to = 1> (planes)
        x_weights_turned = Transpose <perm = [1, 0]> (x_weights)
        narrow = MatMul (floats, x_weights_turned)
        {_whole("narrow")}
        small = MatMul (y_weights, narrow_whole)
        {_whole("small")}
        unit = Div (small_whole, high)
        centred = Sub (unit, mean)
        {PIXELS} = Div (centred, std)
    }}
    """
    return onnx.parser.parse_model(text)


def _axis(axis: str, size: str) -> str:
    """The resize weights of one axis, ``[224, to - from]``, and the slice that they apply to."""
    a = axis
    return f"""
        {a}_scaled = Mul ({size}, resize)
        {a}_resized = Div ({a}_scaled, short)
        {a}_resized_d = Cast <to = 11> ({a}_resized)
        {a}_size_d = Cast <to = 11> ({size})
        {a}_margin = Sub ({a}_resized, crop)
        {a}_margin_d = Cast <to = 11> ({a}_margin)
        {a}_offset_exact = Div ({a}_margin_d, two)
        {a}_offset = Round ({a}_offset_exact)
        {a}_exact_scale = Div ({a}_size_d, {a}_resized_d)
        {a}_begin_exact = Mul ({a}_offset, {a}_exact_scale)
        {a}_begin_f = Cast <to = 1> ({a}_begin_exact)
        {a}_begin = Cast <to = 11> ({a}_begin_f)
        {a}_end_offset = Add ({a}_offset, crop_d)
        {a}_end_exact = Mul ({a}_end_offset, {a}_exact_scale)
        {a}_end_inside = Min ({a}_end_exact, {a}_size_d)
        {a}_end_f = Cast <to = 1> ({a}_end_inside)
        {a}_end = Cast <to = 11> ({a}_end_f)
        {a}_length = Sub ({a}_end, {a}_begin)
        {a}_scale = Div ({a}_length, crop_d)
        {a}_support = Max ({a}_scale, one)
        {a}_outputs = Range (zero_i, crop, one_i)
        {a}_outputs_d = Cast <to = 11> ({a}_outputs)
        {a}_middles = Add ({a}_outputs_d, half)
        {a}_steps = Mul ({a}_middles, {a}_scale)
        {a}_centres = Add ({a}_begin, {a}_steps)
        {a}_first = ReduceMin <keepdims = 0> ({a}_centres)
        {a}_last = ReduceMax <keepdims = 0> ({a}_centres)
        {a}_first_edge = Sub ({a}_first, {a}_support)
        {a}_last_edge = Add ({a}_last, {a}_support)
        {a}_first_inside = Max ({a}_first_edge, zero)
        {a}_last_inside = Min ({a}_last_edge, {a}_size_d)
        {a}_first_whole = Floor ({a}_first_inside)
        {a}_last_whole = Ceil ({a}_last_inside)
        {a}_from_i = Cast <to = 7> ({a}_first_whole)
        {a}_to_i = Cast <to = 7> ({a}_last_whole)
        {a}_from = Reshape ({a}_from_i, scalar_shape)
        {a}_to = Reshape ({a}_to_i, scalar_shape)
        {a}_from_s = Squeeze ({a}_from)
        {a}_to_s = Squeeze ({a}_to)
        {a}_inputs = Range ({a}_from_s, {a}_to_s, one_i)
        {a}_inputs_d = Cast <to = 11> ({a}_inputs)
        {a}_input_middles = Add ({a}_inputs_d, half)
        {a}_input_row = Reshape ({a}_input_middles, row)
        {a}_centre_column = Reshape ({a}_centres, column)
        {a}_distances = Sub ({a}_input_row, {a}_centre_column)
        {a}_away = Abs ({a}_distances)
        {a}_relative = Div ({a}_away, {a}_support)
        {a}_triangle = Sub (one, {a}_relative)
        {a}_raw = Max ({a}_triangle, zero)
        {a}_sums = ReduceSum <keepdims = 1> ({a}_raw, axis_1)
        {a}_weights_d = Div ({a}_raw, {a}_sums)
        {a}_weights = Cast <to = 1> ({a}_weights_d)
    """


def _whole(name: str) -> str:
    """Round to the nearest grey value, halves up, within 0 to 255."""
    return f"""
        {name}_up = Add ({name}, half_f)
        {name}_floor = Floor ({name}_up)
        {name}_whole = Clip ({name}_floor, low, high)
    """
