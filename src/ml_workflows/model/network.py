"""MobileNetV3-Small, with the parameter names of torchvision.

``torchvision.models.mobilenet_v3_small(num_classes=N)`` loads the state dict of
:class:`MobileNetV3Small` as it is, and the tests hold the two equal, bit by bit. It stands here
because importing torchvision costs longer than training does, and because torchvision has no
build for every build of torch.

Source: Howard et al., Searching for MobileNetV3, https://arxiv.org/abs/1905.02244, table 2.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

CHANNELS = 576
HIDDEN = 1024
DROPOUT = 0.2
BATCH_NORM_EPSILON = 0.001

_SQUEEZE_DIVISOR = 4
_CHANNEL_MULTIPLE = 8


class Block(NamedTuple):
    """One row of the paper's table: an inverted residual."""

    kernel_px: int
    expanded: int
    out: int
    squeeze: bool
    hardswish: bool
    stride: int


STEM = 16
BLOCKS = (
    Block(3, 16, 16, True, False, 2),
    Block(3, 72, 24, False, False, 2),
    Block(3, 88, 24, False, False, 1),
    Block(5, 96, 40, True, True, 2),
    Block(5, 240, 40, True, True, 1),
    Block(5, 240, 40, True, True, 1),
    Block(5, 120, 48, True, True, 1),
    Block(5, 144, 48, True, True, 1),
    Block(5, 288, 96, True, True, 2),
    Block(5, 576, 96, True, True, 1),
    Block(5, 576, 96, True, True, 1),
)


class MobileNetV3Small(nn.Module):
    """``[N, 3, 224, 224] float32`` to logits ``[N, num_classes]``."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, STEM, kernel_px=3, stride=2)]
        channels = STEM
        for block in BLOCKS:
            layers.append(_InvertedResidual(channels, block))
            channels = block.out
        layers.append(_convolution(channels, CHANNELS, kernel_px=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = classifier(num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def backbone(self, pixels: Tensor) -> Tensor:
        """``[N, 3, 224, 224]`` to features ``[N, 576]``."""
        features: Tensor = self.avgpool(self.features(pixels)).flatten(1)
        return features

    def forward(self, pixels: Tensor) -> Tensor:
        """``[N, 3, 224, 224]`` to logits ``[N, num_classes]``."""
        logits: Tensor = self.classifier(self.backbone(pixels))
        return logits


def classifier(num_classes: int) -> nn.Sequential:
    """The head: features ``[N, 576]`` to logits ``[N, num_classes]``."""
    head = nn.Sequential(
        nn.Linear(CHANNELS, HIDDEN),
        nn.Hardswish(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, num_classes),
    )
    for module in head:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    return head


class _InvertedResidual(nn.Module):
    """Expand, convolve each channel, squeeze and excite, project; added to what came in."""

    def __init__(self, channels: int, block: Block) -> None:
        super().__init__()
        activation: type[nn.Module] = nn.Hardswish if block.hardswish else nn.ReLU
        layers: list[nn.Module] = []
        if block.expanded != channels:
            layers.append(
                _convolution(channels, block.expanded, kernel_px=1, activation=activation)
            )
        layers.append(
            _convolution(
                block.expanded,
                block.expanded,
                kernel_px=block.kernel_px,
                stride=block.stride,
                groups=block.expanded,
                activation=activation,
            )
        )
        if block.squeeze:
            layers.append(_SqueezeExcitation(block.expanded))
        layers.append(_convolution(block.expanded, block.out, kernel_px=1, activation=None))
        self.block = nn.Sequential(*layers)
        self.residual = block.stride == 1 and channels == block.out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y + x if self.residual else y


class _SqueezeExcitation(nn.Module):
    """Scale each channel by what the average of all channels says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _round_channels(channels / _SQUEEZE_DIVISOR)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        scaled: Tensor = self.scale_activation(scale) * x
        return scaled


def _convolution(
    channels: int,
    out: int,
    *,
    kernel_px: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.Hardswish,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(
            channels, out, kernel_px, stride, (kernel_px - 1) // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out, eps=BATCH_NORM_EPSILON, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def _round_channels(channels: float) -> int:
    """The nearest multiple of 8, but never less than 90 % of ``channels``."""
    rounded = max(
        _CHANNEL_MULTIPLE,
        int(channels + _CHANNEL_MULTIPLE / 2) // _CHANNEL_MULTIPLE * _CHANNEL_MULTIPLE,
    )
    return rounded if rounded >= 0.9 * channels else rounded + _CHANNEL_MULTIPLE
