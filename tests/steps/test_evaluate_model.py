"""``evaluate_model`` scores what ships and refuses models that do not belong together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ml_workflows.data.preprocessing import to_input, to_pixels
from ml_workflows.data.splits import Split, read_split, write_split
from ml_workflows.data.tables import read_table
from ml_workflows.errors import AgreementFault, DataFault

pytestmark = pytest.mark.slow

Artifacts = dict[str, Path]
CallStep = Callable[..., tuple[Artifacts, dict[str, float]]]


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """The photos in a folder that may be changed."""
    return shutil.copytree(drawn, tmp_path / "photos")


def read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def predictions(artifacts: Artifacts) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(artifacts["predictions"]).to_pylist()
    return rows


def torchvision_logits(artifacts: Artifacts, folder: Path) -> npt.NDArray[np.float32]:
    """Logits of the test photos by torchvision's network with the model's tensors."""
    import torch
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v3_small

    split = read_split(artifacts["test_split"])
    network = mobilenet_v3_small(num_classes=len(split.classes)).eval()
    network.load_state_dict(load_file(artifacts["torch_model"]), strict=True)
    pixels = []
    for photo in split.photos:
        with Image.open(folder / photo.key) as image:
            pixels.append(to_pixels(image.convert("RGB")))
    with torch.inference_mode():
        logits = network(torch.from_numpy(to_input(np.stack(pixels)))).numpy()
    return np.asarray(logits, dtype=np.float32)


def test_torchvision_gives_the_labels_of_the_predictions(artifacts: Artifacts, drawn: Path) -> None:
    classes = read_split(artifacts["test_split"]).classes
    logits = torchvision_logits(artifacts, drawn)
    labels = [classes[index] for index in logits.argmax(axis=1)]
    assert labels == [row["predicted"] for row in predictions(artifacts)]
    assert len(set(labels)) > 2


def test_torchvision_gives_the_probabilities_of_the_predictions(
    artifacts: Artifacts, drawn: Path
) -> None:
    exponentials = np.exp(torchvision_logits(artifacts, drawn).astype(np.float64))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = [row["probabilities"] for row in predictions(artifacts)]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_predictions_are_of_the_test_photos_in_order(artifacts: Artifacts) -> None:
    split = read_split(artifacts["test_split"])
    rows = predictions(artifacts)
    for row, photo in zip(rows, split.photos, strict=True):
        assert (row["key"], row["sha256"], row["label"]) == (photo.key, photo.sha256, photo.label)
    classes = read_table(artifacts["predictions"]).schema.metadata[b"classes"]
    assert tuple(json.loads(classes)) == split.classes


def test_probabilities_sum_to_one_and_the_highest_is_the_predicted(artifacts: Artifacts) -> None:
    classes = read_split(artifacts["test_split"]).classes
    for row in predictions(artifacts):
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-12)
        assert classes[int(np.argmax(row["probabilities"]))] == row["predicted"]
        assert max(row["probabilities"]) == row["probability"]


def test_the_confusion_matrix_and_the_scores_are_those_of_the_predictions(
    artifacts: Artifacts,
) -> None:
    from sklearn.metrics import confusion_matrix, f1_score

    rows = predictions(artifacts)
    truth, predicted = ([row[name] for row in rows] for name in ("label", "predicted"))
    confusion = read_json(artifacts["confusion_matrix"])
    expected = confusion_matrix(truth, predicted, labels=confusion["classes"])
    assert confusion["matrix"] == expected.tolist()
    metrics = read_json(artifacts["eval_metrics"])
    assert metrics["testSize"] == len(rows)
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    assert metrics["weightedF1Score"] == pytest.approx(f1)
    assert set(metrics["perClass"]) == set(confusion["classes"])


def test_the_agreement_of_the_models_is_written_down(artifacts: Artifacts) -> None:
    agreement = read_json(artifacts["eval_metrics"])["agreement"]
    assert agreement["torchToOnnxLogitDifference"] <= agreement["torchToOnnxTolerance"]
    assert agreement["preprocessingLogitDifference"] <= agreement["preprocessingTolerance"]
    assert agreement["torchToOnnxLabelFlips"] == 0


@pytest.mark.parametrize("name", ["onnx_model", "onnx_model_with_preprocessing"])
def test_a_model_of_another_run_is_refused(
    artifacts: Artifacts, other_seed: Artifacts, call_step: CallStep, tmp_path: Path, name: str
) -> None:
    with pytest.raises(AgreementFault, match=r"differ.*Do not ship this run"):
        call_step("evaluate_model", artifacts | {name: other_seed[name]})
    assert not list((tmp_path / "out").iterdir())


def test_both_onnx_models_of_another_run_are_refused(
    artifacts: Artifacts, other_seed: Artifacts, call_step: CallStep
) -> None:
    swapped = {n: other_seed[n] for n in ("onnx_model", "onnx_model_with_preprocessing")}
    with pytest.raises(AgreementFault):
        call_step("evaluate_model", artifacts | swapped)


def test_a_test_photo_that_changed_is_refused_though_its_pixels_are_known(
    artifacts: Artifacts, call_step: CallStep, photos: Path
) -> None:
    key = read_split(artifacts["test_split"]).photos[0].key
    with (photos / key).open("ab") as file:
        file.write(b"one byte more")
    with pytest.raises(DataFault, match=rf"{key}' changed"):
        call_step("evaluate_model", artifacts, photos=photos)


def test_a_test_photo_that_is_gone_is_refused(
    artifacts: Artifacts, call_step: CallStep, photos: Path
) -> None:
    key = read_split(artifacts["test_split"]).photos[-1].key
    (photos / key).unlink()
    with pytest.raises(DataFault, match=rf"{key}' cannot be read"):
        call_step("evaluate_model", artifacts, photos=photos)


def test_a_class_without_test_photos_keeps_its_row_and_column_and_has_no_metrics(
    artifacts: Artifacts, call_step: CallStep, tmp_path: Path
) -> None:
    split = read_split(artifacts["test_split"])
    absent = predictions(artifacts)[0]["predicted"]
    index = split.classes.index(absent)
    rest = tuple(photo for photo in split.photos if photo.label != absent)
    write_split(Split(classes=split.classes, photos=rest), tmp_path / "test_split.parquet")
    outputs, _ = call_step(
        "evaluate_model", artifacts | {"test_split": tmp_path / "test_split.parquet"}
    )
    confusion = read_json(outputs["confusion_matrix"])
    assert confusion["classes"] == list(split.classes)
    matrix = np.array(confusion["matrix"])
    assert matrix.shape == (len(split.classes), len(split.classes))
    assert matrix[index].sum() == 0
    assert matrix.sum() == len(rest)
    row = read_json(outputs["eval_metrics"])["perClass"][absent]
    assert row["support"] == 0
    assert [row[name] for name in ("precision", "recall", "f1Score", "recallInterval")] == [
        None
    ] * 4
    assert absent in outputs["report"].read_text("utf-8")


def test_evaluating_again_decodes_the_whole_photos_but_extracts_nothing(
    artifacts: Artifacts, call_step: CallStep
) -> None:
    outputs, measured = call_step("evaluate_model", artifacts)
    photos = len(read_split(artifacts["test_split"]).photos)
    mistakes = sum(row["label"] != row["predicted"] for row in predictions(outputs))
    assert measured["featuresExtracted"] == 0
    assert photos <= measured["photosDecoded"] <= photos + mistakes
    for name, path in outputs.items():
        assert path.read_bytes() == artifacts[name].read_bytes(), name


@pytest.mark.real_data
def test_real_photos_and_weights_make_a_classifier_that_is_mostly_right(
    call_step: CallStep, tmp_path: Path
) -> None:
    from ml_workflows.data.sources import open_source

    folder = os.environ.get("ML_WORKFLOWS_REAL_DATA")
    if not folder:
        pytest.skip("ML_WORKFLOWS_REAL_DATA is not set")
    (weights,) = Path(folder, "weights").glob("*.pth")
    for number, path in enumerate(sorted(Path(folder, "weather4").glob("*/*"))):
        if number % 4 == 0:
            target = tmp_path / "photos" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    listing = open_source(str(tmp_path / "photos")).list(advance=lambda count: None)
    artifacts = {"listing": tmp_path / "listing.jsonl"}
    artifacts["listing"].write_text(listing.to_text(), encoding="utf-8")
    changed: dict[str, Any] = {
        "photos": tmp_path / "photos",
        "home": tmp_path / "home",
        "weights": str(weights),
        "epochs": 10,
    }
    for step in ("prepare_data", "train_model", "evaluate_model", "optimize_model"):
        artifacts |= call_step(step, artifacts, **changed)[0]
    metrics = read_json(artifacts["eval_metrics"])
    assert metrics["accuracy"] > 0.8
    assert metrics["agreement"]["preprocessingLabelFlips"] == 0


@pytest.mark.parametrize("step", ["evaluate_model", "optimize_model"])
def test_a_model_that_answers_nan_is_refused(
    artifacts: Artifacts, call_step: CallStep, tmp_path: Path, step: str
) -> None:
    import onnx

    broken: dict[str, Path] = {}
    for name in ("onnx_model", "onnx_model_with_preprocessing"):
        model = onnx.load(artifacts[name])
        (bias,) = (each for each in model.graph.initializer if each.name == "bias_3")
        nan = np.full(onnx.numpy_helper.to_array(bias).shape, np.nan, dtype=np.float32)
        bias.CopyFrom(onnx.numpy_helper.from_array(nan, "bias_3"))
        broken[name] = tmp_path / f"{name}.onnx"
        onnx.save(model, broken[name])
    with pytest.raises(AgreementFault):
        call_step(step, artifacts | broken)
