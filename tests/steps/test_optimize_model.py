"""``optimize_model`` gives a model of the same answers and metadata."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml_workflows.data.preprocessing import to_input, to_pixels
from ml_workflows.data.splits import read_split
from ml_workflows.errors import DataFault
from ml_workflows.model.runtime import Classifier, open_session

pytestmark = pytest.mark.slow

Artifacts = dict[str, Path]
CallStep = Callable[..., tuple[Artifacts, dict[str, float]]]


def test_every_test_photo_keeps_its_label(artifacts: Artifacts, drawn: Path) -> None:
    before, after = (Classifier(artifacts[name]) for name in ("onnx_model", "optimized_onnx_model"))
    split = read_split(artifacts["test_split"])
    differences = []
    for photo in split.photos:
        with Image.open(drawn / photo.key) as image:
            inputs = to_input(to_pixels(image.convert("RGB"))[None])
        was, now = before.logits(inputs), after.logits(inputs)
        assert was.argmax() == now.argmax(), photo.key
        differences.append(float(np.abs(was - now).max()))
    metrics = json.loads(artifacts["optimization_metrics"].read_text("utf-8"))
    assert metrics["largestLogitDifference"] == max(differences) < 1e-3
    assert (metrics["checkedPhotos"], metrics["labelChanges"]) == (len(split.photos), 0)


def test_the_optimized_model_keeps_metadata_inputs_and_outputs(artifacts: Artifacts) -> None:
    before, after = (
        open_session(artifacts[name]) for name in ("onnx_model", "optimized_onnx_model")
    )
    one, other = (session.get_modelmeta().custom_metadata_map for session in (before, after))
    assert one == other
    assert json.loads(other["classes"]) == list(read_split(artifacts["test_split"]).classes)
    for listed in ("get_inputs", "get_outputs"):
        was, now = (
            [(value.name, value.type, value.shape) for value in getattr(session, listed)()]
            for session in (before, after)
        )
        assert was == now


def test_the_metrics_say_how_large_the_models_are(artifacts: Artifacts) -> None:
    metrics = json.loads(artifacts["optimization_metrics"].read_text("utf-8"))
    assert metrics["bytesBefore"] == artifacts["onnx_model"].stat().st_size
    assert metrics["bytesAfter"] == artifacts["optimized_onnx_model"].stat().st_size


def test_the_optimized_model_has_fewer_nodes(artifacts: Artifacts) -> None:
    import onnx

    before, after = (
        len(onnx.load(artifacts[name]).graph.node)
        for name in ("onnx_model", "optimized_onnx_model")
    )
    assert after < before


def test_latencies_are_measured_and_are_no_artifact(
    artifacts: Artifacts, measurements: dict[str, dict[str, float]]
) -> None:
    measured = measurements["optimize_model"]
    assert set(measured) == {"latencyBeforeSeconds", "latencyAfterSeconds"}
    assert all(seconds > 0 for seconds in measured.values())
    assert "econds" not in artifacts["optimization_metrics"].read_text("utf-8")


def test_a_photo_that_changed_is_refused(
    artifacts: Artifacts, call_step: CallStep, drawn: Path, tmp_path: Path
) -> None:
    photos = shutil.copytree(drawn, tmp_path / "photos")
    key = read_split(artifacts["test_split"]).photos[0].key
    with (photos / key).open("ab") as file:
        file.write(b"one byte more")
    with pytest.raises(DataFault, match=rf"{key}' changed"):
        call_step("optimize_model", artifacts, photos=photos, home=tmp_path / "home")
