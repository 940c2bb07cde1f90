"""Our MobileNetV3-Small is torchvision's: names, shapes and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ml_workflows.model.network import MobileNetV3Small

pytestmark = pytest.mark.slow

MakeNetwork = Callable[..., "MobileNetV3Small"]


@pytest.mark.parametrize("classes", [2, 11, 1000])
def test_names_shapes_and_types_are_those_of_torchvision(
    make_network: MakeNetwork, classes: int
) -> None:
    from torchvision.models import mobilenet_v3_small

    ours = make_network(classes).state_dict()
    theirs = mobilenet_v3_small(num_classes=classes).state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        assert (tensor.shape, tensor.dtype) == (theirs[name].shape, theirs[name].dtype), name


def test_torchvision_loads_our_state_dict_and_gives_the_same_bits(
    make_network: MakeNetwork,
) -> None:
    import torch
    from torchvision.models import mobilenet_v3_small

    ours = make_network(7)
    theirs = mobilenet_v3_small(num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    pixels = torch.randn(3, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(ours(pixels), theirs(pixels))


def test_we_load_the_state_dict_of_torchvision_and_give_the_same_bits(
    make_network: MakeNetwork,
) -> None:
    import torch
    from torchvision.models import mobilenet_v3_small

    theirs = mobilenet_v3_small(num_classes=4).eval()
    ours = make_network(4)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(ours(pixels), theirs(pixels))


def test_the_logits_are_the_classifier_on_the_backbone(make_network: MakeNetwork) -> None:
    import torch

    network = make_network(3)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        features = network.backbone(pixels)
        assert features.shape == (2, 576)
        assert torch.equal(network.classifier(features), network(pixels))


def test_the_same_seed_begins_with_the_same_weights_and_another_with_others() -> None:
    import torch

    from ml_workflows.model.network import MobileNetV3Small

    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        state = MobileNetV3Small(3).state_dict()
        found.append({name: tensor.numpy().tobytes() for name, tensor in state.items()})
    assert found[0] == found[1]
    assert found[0]["features.0.0.weight"] != found[2]["features.0.0.weight"]


def test_a_fresh_network_starts_with_zero_biases_and_weights_of_torchvisions_spread() -> None:
    import torch
    from torchvision.models import mobilenet_v3_small

    from ml_workflows.model.network import MobileNetV3Small

    theirs = mobilenet_v3_small(num_classes=11).state_dict()
    for name, tensor in MobileNetV3Small(11).state_dict().items():
        if tensor.dim() > 1 and tensor.numel() > 2000:
            assert float(tensor.std()) == pytest.approx(float(theirs[name].std()), rel=0.15), name
        elif tensor.dim() == 1:
            assert torch.equal(tensor, theirs[name]), name
