"""The ONNX models that ship: the labels of PyTorch, whole metadata, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ml_workflows.data.preprocessing import to_input, to_pixels

if TYPE_CHECKING:
    from ml_workflows.model.network import MobileNetV3Small

pytestmark = pytest.mark.slow

MakeNetwork = Callable[..., "MobileNetV3Small"]
MakePhoto = Callable[..., Image.Image]

CLASSES = ("dew", "frost", "hail", "rain", "snow")
HOSTILE = (
    "<script>alert(1)</script>",
    '"quoted", and\\escaped',
    "{{ 7 * 7 }} %s \\N{BELL}",
    "new\nline\ttab",
    "مرحبا \u202egnp.exe 雪",
    "x" * 5000,
    "",
    "lone \udcff surrogate",
)


@pytest.fixture
def network(make_network: MakeNetwork) -> MobileNetV3Small:
    """Five classes; the classifier's answers are far apart."""
    import torch

    network = make_network(len(CLASSES))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        for parameter in network.classifier.parameters():
            parameter.normal_(0, 0.1)
    return network


def classifier_of(network: MobileNetV3Small, classes: tuple[str, ...] = CLASSES) -> Any:
    from ml_workflows.model.backbone_graph import backbone_model
    from ml_workflows.model.onnx_models import with_classifier

    head = {name: tensor.numpy() for name, tensor in network.classifier.state_dict().items()}
    return with_classifier(backbone_model(network), head, classes=classes)


def sessions(network: MobileNetV3Small, classes: tuple[str, ...] = CLASSES) -> tuple[Any, Any]:
    """The classifier, and the classifier with preprocessing before it."""
    from ml_workflows.model.onnx_models import to_bytes, with_preprocessing
    from ml_workflows.model.runtime import open_session

    classifier = classifier_of(network, classes)
    return open_session(to_bytes(classifier)), open_session(
        to_bytes(with_preprocessing(classifier))
    )


def torch_logits(
    network: MobileNetV3Small, inputs: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(inputs)).numpy())


def test_the_models_with_and_without_preprocessing_give_the_labels_of_pytorch(
    network: MobileNetV3Small, make_photo: MakePhoto
) -> None:
    import torch

    sizes = [(640, 480), (300, 900), (224, 224), (97, 60), (1200, 800)] * 2
    photos = [make_photo(*size, seed=seed) for seed, size in enumerate(sizes)]
    inputs = [to_input(to_pixels(photo)[None]) for photo in photos]
    usual = torch_logits(network, np.concatenate(inputs)).mean(axis=0)
    with torch.no_grad():  # so that not every photo has the same label
        network.state_dict()["classifier.3.bias"] -= torch.from_numpy(usual)
    expected = torch_logits(network, np.concatenate(inputs))
    bare, whole = sessions(network)
    logits = np.concatenate([bare.run(["logits"], {"pixels": one})[0] for one in inputs])
    shipped = np.concatenate(
        [whole.run(["logits"], {"photos": np.asarray(photo)[None]})[0] for photo in photos]
    )
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(usual).max())
    labels = expected.argmax(axis=1).tolist()
    assert logits.argmax(axis=1).tolist() == shipped.argmax(axis=1).tolist() == labels
    assert len(set(labels)) > 1


def test_outputs_are_logits_probabilities_that_sum_to_one_and_features(
    network: MobileNetV3Small, make_photo: MakePhoto
) -> None:
    import torch

    inputs = to_input(np.stack([to_pixels(make_photo(300, 200, seed=seed)) for seed in range(3)]))
    with torch.inference_mode():
        features = network.backbone(torch.from_numpy(inputs)).numpy()
    photos = np.stack([np.asarray(make_photo(300, 200, seed=seed)) for seed in range(3)])
    feeds: tuple[dict[str, Any], ...] = ({"pixels": inputs}, {"photos": photos})
    for session, feed in zip(sessions(network), feeds, strict=True):
        outputs = [output.name for output in session.get_outputs()]
        assert outputs == ["logits", "probabilities", "features"]
        logits, probabilities, seen = session.run(["logits", "probabilities", "features"], feed)
        assert logits.shape == probabilities.shape == (3, len(CLASSES))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
        softmax = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        np.testing.assert_allclose(probabilities, softmax, atol=1e-6)
        tolerance = 0.02 if "photos" in feed else 1e-4
        assert np.abs(seen - features).max() < tolerance * np.abs(features).max()


def test_metadata_holds_the_classes_the_backbone_and_the_input(network: MobileNetV3Small) -> None:
    from ml_workflows.model.backbone_graph import backbone_model
    from ml_workflows.model.onnx_models import to_bytes
    from ml_workflows.store.digests import digest_bytes

    backbone = digest_bytes(to_bytes(backbone_model(network)))
    for session, what in zip(sessions(network), ("float32", "uint8"), strict=True):
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["classes"]) == list(CLASSES)
        assert metadata["backbone_sha256"] == backbone
        assert what in metadata["input"]


def test_inputs_take_any_number_of_photos_and_whole_photos_of_any_size(
    network: MobileNetV3Small,
) -> None:
    bare, whole = (session.get_inputs() for session in sessions(network))
    assert [(one.name, one.type, one.shape) for one in bare] == [
        ("pixels", "tensor(float)", ["N", 3, 224, 224])
    ]
    assert [(one.name, one.type, one.shape) for one in whole] == [
        ("photos", "tensor(uint8)", ["N", "H", "W", 3])
    ]


def test_the_same_model_is_the_same_bytes_and_another_head_or_class_name_is_not(
    network: MobileNetV3Small, make_network: MakeNetwork
) -> None:
    from ml_workflows.model.onnx_models import to_bytes, with_preprocessing

    one, same = classifier_of(network), classifier_of(network)
    assert to_bytes(one) == to_bytes(same)
    assert to_bytes(with_preprocessing(one)) == to_bytes(with_preprocessing(same))
    assert to_bytes(one) != to_bytes(classifier_of(network, (*CLASSES[:-1], "sleet")))
    assert to_bytes(one) != to_bytes(classifier_of(make_network(len(CLASSES))))


def test_preprocessing_before_a_model_leaves_the_model_as_it_was(
    network: MobileNetV3Small,
) -> None:
    from ml_workflows.model.onnx_models import to_bytes, with_preprocessing

    classifier = classifier_of(network)
    before = to_bytes(classifier)
    with_preprocessing(classifier)
    assert to_bytes(classifier) == before


def test_hostile_class_names_survive(make_network: MakeNetwork, tmp_path: Path) -> None:
    from ml_workflows.model.onnx_models import to_bytes, with_preprocessing
    from ml_workflows.model.runtime import Classifier

    classifier = classifier_of(make_network(len(HOSTILE)), HOSTILE)
    for name, model in (("bare", classifier), ("whole", with_preprocessing(classifier))):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(to_bytes(model))
        assert Classifier(path).classes == HOSTILE
