"""The backbone's ONNX graph says what PyTorch computes, with the same bits every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from ml_workflows.model.network import MobileNetV3Small

pytestmark = pytest.mark.slow

MakeNetwork = Callable[..., "MobileNetV3Small"]
Floats = npt.NDArray[np.float32]


@pytest.fixture
def pixels() -> Floats:
    """Eight normalised photos of different colours."""
    rng = np.random.default_rng(0)
    colours, noise = rng.normal(size=(8, 3, 1, 1)), rng.normal(size=(8, 3, 224, 224))
    return np.asarray(colours + noise, dtype=np.float32)


def graph_of(network: MobileNetV3Small) -> bytes:
    from ml_workflows.model.backbone_graph import backbone_model
    from ml_workflows.model.onnx_models import to_bytes

    return to_bytes(backbone_model(network))


def run(session: Any, pixels: Floats) -> Floats:
    (features,) = session.run(["features"], {"pixels": pixels})
    return np.asarray(features, dtype=np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_features_are_those_of_pytorch(
    make_network: MakeNetwork, pixels: Floats, seed: int
) -> None:
    import torch

    from ml_workflows.model.runtime import open_session

    network = make_network(seed=seed)
    with torch.inference_mode():
        expected = network.backbone(torch.from_numpy(pixels)).numpy()
    features = run(open_session(graph_of(network)), pixels)
    assert features.shape == (8, 576)
    assert expected.std(axis=0).mean() > 0.01
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()


def test_features_of_a_fresh_network_are_those_of_pytorch(pixels: Floats) -> None:
    import torch

    from ml_workflows.model.network import MobileNetV3Small
    from ml_workflows.model.runtime import open_session

    network = MobileNetV3Small(2).eval()
    with torch.inference_mode():
        expected = network.backbone(torch.from_numpy(pixels)).numpy()
    features = run(open_session(graph_of(network)), pixels)
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()


def test_writing_the_graph_changes_nothing_in_the_network(make_network: MakeNetwork) -> None:
    import torch

    network = make_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    graph_of(network)
    assert not network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_network_in_training_mode_is_written_with_frozen_statistics(
    make_network: MakeNetwork,
) -> None:
    assert graph_of(make_network().train()) == graph_of(make_network().eval())


def test_later_changes_of_the_network_do_not_reach_the_graph(make_network: MakeNetwork) -> None:
    import torch

    from ml_workflows.model.backbone_graph import backbone_model
    from ml_workflows.model.onnx_models import to_bytes

    network = make_network()
    model = backbone_model(network)
    before = to_bytes(model)
    with torch.no_grad():
        network.state_dict()["features.0.0.weight"].zero_()
    assert to_bytes(model) == before


def test_the_same_weights_give_the_same_bytes_and_others_do_not(make_network: MakeNetwork) -> None:
    one, same, other = (graph_of(make_network(seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_classifier_is_no_part_of_the_backbone(make_network: MakeNetwork) -> None:
    few, many = make_network(2), make_network(11)
    many.features.load_state_dict(few.features.state_dict())
    assert graph_of(few) == graph_of(many)


def test_a_photo_has_the_same_bits_alone_and_among_others(
    make_network: MakeNetwork, pixels: Floats
) -> None:
    from ml_workflows.model.runtime import open_session

    session = open_session(graph_of(make_network()))
    together = run(session, pixels)
    alone = np.concatenate([run(session, photo[None]) for photo in pixels])
    assert together.tobytes() == alone.tobytes()


def test_one_thread_and_two_give_the_same_bits(make_network: MakeNetwork, pixels: Floats) -> None:
    import onnxruntime

    from ml_workflows.model.runtime import session_options

    graph = graph_of(make_network())
    features = []
    for threads in (1, 2):
        options = session_options()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        features.append(run(session, pixels[:2]).tobytes())
    assert features[0] == features[1]
