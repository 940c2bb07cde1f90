"""Fitting the classifier head on features."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.adamw import adamw

from ml_workflows.errors import ParameterFault
from ml_workflows.model.network import classifier

WEIGHT_DECAY = 0.01
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
#: Channels that hardly vary are not blown up beyond this share of the typical spread.
_LEAST_SPREAD = 0.01

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Features ``[N, 576]`` with their labels ``[N]``."""

    features: Floats
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The head of the best epoch, and how all epochs went."""

    head: dict[str, Floats]
    history: list[dict[str, float]]
    best_epoch: int


def fit_classifier(
    train: Examples,
    val: Examples,
    *,
    num_classes: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    early_stopping_patience: int,
    class_weighting: str,
    random_seed: int,
    advance: Callable[[int], None],
) -> Fit:
    """Fit the torchvision classifier with AdamW; keep the epoch of the lowest validation loss.

    The features are standardised by the training photos' mean and spread; at the end that is
    folded into the first layer, so the head takes plain features. One thread and a fixed order:
    the same bits on any number of cores.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.
    """
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        head = classifier(num_classes)
        mean, spread = _standard(train.features)
        train_x, train_y = _tensors(train, mean, spread)
        val_x, val_y = _tensors(val, mean, spread)
        weight = (
            _class_weights(train.labels, num_classes) if class_weighting == "balanced" else None
        )
        optimizer = _AdamW(list(head.parameters()), learning_rate=learning_rate)
        best = (math.inf, 0, copy.deepcopy(head.state_dict()))
        history: list[dict[str, float]] = []
        for epoch in range(1, epochs + 1):
            order = torch.randperm(len(train_y))
            losses = 0.0
            right = 0
            head.train()
            for batch in torch.split(order, batch_size):
                logits = head(train_x[batch])
                loss = cross_entropy(logits, train_y[batch], weight=weight)
                optimizer.step(torch.autograd.grad(loss, optimizer.parameters))
                losses += loss.item() * len(batch)
                right += int((logits.argmax(1) == train_y[batch]).sum())
            head.eval()
            val_loss, val_accuracy = _score(head, val_x, val_y, weight)
            row = {"trainLoss": losses / len(train_y), "trainAccuracy": right / len(train_y)}
            row |= {"epoch": epoch, "valLoss": val_loss, "valAccuracy": val_accuracy}
            history.append(row)
            _check_finite(row, learning_rate)
            if val_loss < best[0]:
                best = (val_loss, epoch, copy.deepcopy(head.state_dict()))
            advance(1)
            if early_stopping_patience and epoch - best[1] >= early_stopping_patience:
                break
    return Fit(head=_folded(best[2], mean, spread), history=history, best_epoch=best[1])


class _AdamW:
    """AdamW over torch's functional form: the optimizer classes import torch's compiler, which
    takes longer than the whole fit."""

    def __init__(self, parameters: list[Tensor], *, learning_rate: float) -> None:
        self.parameters = parameters
        self._learning_rate = learning_rate
        self._averages = [torch.zeros_like(parameter) for parameter in parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in parameters]
        self._steps = [torch.tensor(0.0) for _ in parameters]

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...]) -> None:
        """Move the parameters against the gradients."""
        adamw(
            self.parameters,
            list(gradients),
            self._averages,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=self._learning_rate,
            weight_decay=WEIGHT_DECAY,
            eps=_EPSILON,
            maximize=False,
        )


def _standard(features: Floats) -> tuple[Floats, Floats]:
    """Mean and spread of each channel, ``[576]`` each; both over the photos in a fixed order."""
    wide = features.astype(np.float64)
    mean, spread = wide.mean(axis=0), wide.std(axis=0)
    least = _LEAST_SPREAD * float(np.median(spread)) or 1.0
    return mean.astype(np.float32), np.maximum(spread, least).astype(np.float32)


def _tensors(examples: Examples, mean: Floats, spread: Floats) -> tuple[Tensor, Tensor]:
    standard = (examples.features - mean) / spread
    return torch.from_numpy(standard), torch.from_numpy(examples.labels)


def _folded(state: dict[str, Tensor], mean: Floats, spread: Floats) -> dict[str, Floats]:
    """The head for plain features: ``W (f - mean) / spread + b`` as one layer."""
    head = {name: tensor.numpy().astype(np.float64) for name, tensor in state.items()}
    head["0.weight"] = head["0.weight"] / spread
    head["0.bias"] = head["0.bias"] - head["0.weight"] @ mean.astype(np.float64)
    return {name: tensor.astype(np.float32) for name, tensor in head.items()}


def _class_weights(labels: npt.NDArray[np.int64], num_classes: int) -> Tensor:
    """``N / (classes * size)`` of each class, ``[num_classes] float32``."""
    sizes = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    return torch.from_numpy((len(labels) / (num_classes * sizes)).astype(np.float32))


@torch.no_grad()
def _score(head: nn.Module, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[float, float]:
    logits = head(x)
    loss = cross_entropy(logits, y, weight=weight).item()
    return loss, float((logits.argmax(1) == y).sum()) / len(y)


def _check_finite(row: dict[str, float], learning_rate: float) -> None:
    if not all(math.isfinite(value) for value in row.values()):
        raise ParameterFault(
            f"the loss is no longer a number in epoch {row['epoch']:.0f}",
            seen=f"learning_rate {learning_rate:g}",
            remedy="Choose a smaller --learning-rate.",
        )
