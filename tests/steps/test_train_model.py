"""``train_model`` writes models that others can load, and numbers that belong to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_workflows.data.splits import read_split
from ml_workflows.data.tables import read_table
from ml_workflows.errors import DataFault

pytestmark = pytest.mark.slow

Artifacts = dict[str, Path]
CallStep = Callable[..., tuple[Artifacts, dict[str, float]]]


def metrics_of(artifacts: Artifacts) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads(artifacts["train_metrics"].read_text("utf-8"))
    return metrics


def test_torchvision_loads_the_model_strictly_with_its_classes(artifacts: Artifacts) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v3_small

    classes = read_split(artifacts["train_split"]).classes
    network = mobilenet_v3_small(num_classes=len(classes))
    network.load_state_dict(load_file(artifacts["torch_model"]), strict=True)
    with safe_open(artifacts["torch_model"], framework="pt") as file:
        assert tuple(json.loads(file.metadata()["classes"])) == classes


def test_all_models_name_the_same_classes_and_backbone(artifacts: Artifacts) -> None:
    from ml_workflows.model.runtime import Classifier

    models = [Classifier(artifacts[name]) for name in artifacts if name.startswith("onnx_model")]
    assert len(models) == 2
    assert {model.classes for model in models} == {read_split(artifacts["val_split"]).classes}
    assert len({model.backbone_sha256 for model in models}) == 1


def test_the_metrics_are_those_of_the_best_epoch(artifacts: Artifacts) -> None:
    metrics = metrics_of(artifacts)
    assert metrics["epochsRun"] == len(metrics["history"]) == 2
    best = metrics["history"][metrics["bestEpoch"] - 1]
    assert best["valLoss"] == min(epoch["valLoss"] for epoch in metrics["history"])
    for name in ("trainLoss", "valLoss", "trainAccuracy", "valAccuracy"):
        assert metrics[name] == best[name]
    assert metrics["weights"] == "none"
    assert metrics["weightsDigest"] is None
    assert metrics["stoppedEarly"] is False


def test_the_validation_accuracy_is_that_of_the_onnx_model(
    artifacts: Artifacts, drawn: Path
) -> None:
    from PIL import Image

    from ml_workflows.data.preprocessing import to_input, to_pixels
    from ml_workflows.model.runtime import Classifier

    val = read_split(artifacts["val_split"])
    model = Classifier(artifacts["onnx_model"])
    right = 0
    for photo, label in zip(val.photos, val.labels(), strict=True):
        with Image.open(drawn / photo.key) as image:
            inputs = to_input(to_pixels(image.convert("RGB"))[None])
        right += int(model.logits(inputs).argmax()) == label
    assert metrics_of(artifacts)["valAccuracy"] == pytest.approx(right / len(val.photos))


def test_reference_logits_are_pytorchs_of_validation_photos(
    artifacts: Artifacts, drawn: Path
) -> None:
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v3_small

    from ml_workflows.data.preprocessing import to_input, to_pixels

    val = read_split(artifacts["val_split"])
    by_digest = {photo.sha256: photo for photo in val.photos}
    network = mobilenet_v3_small(num_classes=len(val.classes)).eval()
    network.load_state_dict(load_file(artifacts["torch_model"]))
    rows = read_table(artifacts["reference_logits"]).to_pylist()
    assert 1 < len(rows) <= 16
    for row in rows:
        with Image.open(drawn / by_digest[row["sha256"]].key) as image:
            inputs = to_input(to_pixels(image.convert("RGB"))[None])
        with torch.inference_mode():
            expected = network(torch.from_numpy(inputs)).numpy()[0]
        np.testing.assert_allclose(row["logits"], expected, atol=1e-5)


def test_other_epochs_on_known_photos_extract_nothing(
    artifacts: Artifacts, call_step: CallStep
) -> None:
    outputs, measured = call_step("train_model", artifacts, epochs=5)
    assert measured == {"featuresExtracted": 0, "photosDecoded": 0}
    metrics = metrics_of(outputs)
    assert metrics["epochsRun"] == 5
    assert metrics["history"][:2] == metrics_of(artifacts)["history"]


def test_early_stopping_is_said(artifacts: Artifacts, call_step: CallStep) -> None:
    settings = {"epochs": 60, "early_stopping_patience": 1, "learning_rate": 0.05}
    metrics = metrics_of(call_step("train_model", artifacts, **settings)[0])
    assert metrics["stoppedEarly"] is True
    assert metrics["epochsRun"] == metrics["bestEpoch"] + 1 < 60


def test_weights_of_a_file_are_used_and_named_by_digest(
    artifacts: Artifacts, call_step: CallStep
) -> None:
    from ml_workflows.model.runtime import Classifier
    from ml_workflows.store.digests import digest_file

    weights = artifacts["torch_model"]
    outputs, measured = call_step("train_model", artifacts, weights=str(weights), random_seed=5)
    metrics = metrics_of(outputs)
    assert (metrics["weights"], metrics["weightsDigest"]) == ("file", digest_file(weights))
    backbones = [Classifier(one["onnx_model"]).backbone_sha256 for one in (outputs, artifacts)]
    assert backbones[0] == backbones[1]
    assert measured["featuresExtracted"] == 0


def test_a_photo_that_changed_is_refused(
    artifacts: Artifacts, call_step: CallStep, drawn: Path, tmp_path: Path
) -> None:
    import shutil

    photos = tmp_path / "photos"
    shutil.copytree(drawn, photos)
    key = read_split(artifacts["train_split"]).photos[0].key
    with (photos / key).open("ab") as file:
        file.write(b"one byte more")
    with pytest.raises(DataFault, match=rf"{key}' changed"):
        call_step("train_model", artifacts, photos=photos, home=tmp_path / "home")
