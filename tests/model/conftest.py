"""Networks and photos for the tests of ``ml_workflows.model``; torch is imported when asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from ml_workflows.model.network import MobileNetV3Small


@pytest.fixture(scope="session")
def make_network() -> Callable[..., MobileNetV3Small]:
    """A network of random weights whose BatchNorm statistics are those of random pixels.

    With the neutral ones, or with quite arbitrary ones, features hardly depend on the photo.
    """
    import torch

    from ml_workflows.model.network import MobileNetV3Small

    backbones: dict[int, dict[str, torch.Tensor]] = {}

    def make(num_classes: int = 5, *, seed: int = 0) -> MobileNetV3Small:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            network = MobileNetV3Small(num_classes)
            if seed not in backbones:
                for module in network.modules():
                    if isinstance(module, torch.nn.BatchNorm2d):
                        module.weight.uniform_(0.7, 1.3)
                        module.bias.normal_(0, 0.2)
                        module.momentum = 1
                network.train().features(torch.randn(8, 3, 1, 1) + torch.randn(8, 3, 224, 224))
                backbones[seed] = copy.deepcopy(network.features.state_dict())
            network.features.load_state_dict(backbones[seed])
        return network.eval()

    return make


@pytest.fixture
def make_photo() -> Callable[..., Image.Image]:
    """A photo of soft colours with a little grain, as a camera gives it."""

    def make(width: int, height: int, *, seed: int = 0) -> Image.Image:
        rng = np.random.default_rng(seed)
        colours = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        soft = np.asarray(colours.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-6, 7, soft.shape, dtype=np.int16)
        return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))

    return make
