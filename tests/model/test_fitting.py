"""The classifier learns, stops when told, and is the same bits for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from ml_workflows.errors import ParameterFault

if TYPE_CHECKING:
    from ml_workflows.model.fitting import Examples, Fit

pytestmark = pytest.mark.slow

CHANNELS = 576
CLASSES = 3


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Fitting sets the number of torch's threads; the other tests keep theirs."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def examples(
    count: int, *, seed: int, spread: float = 0.5, sizes: tuple[int, ...] = (1, 1, 1)
) -> Examples:
    """Photos of each class scattered around its middle, off centre and unequally wide."""
    from ml_workflows.model.fitting import Examples

    middles = np.random.default_rng(0).normal(size=(CLASSES, CHANNELS))
    rng = np.random.default_rng(seed)
    labels = np.resize(np.repeat(np.arange(CLASSES), sizes), count).astype(np.int64)
    features = middles[labels] + spread * rng.normal(size=(count, CHANNELS))
    scale = np.linspace(0.1, 3, CHANNELS)
    return Examples(features=(5 + scale * features).astype(np.float32), labels=labels)


def mislabelled(given: Examples) -> Examples:
    from ml_workflows.model.fitting import Examples

    return Examples(features=given.features, labels=(given.labels + 1) % CLASSES)


def fit(train: Examples | None = None, val: Examples | None = None, /, **changed: Any) -> Fit:
    from ml_workflows.model.fitting import fit_classifier

    settings: dict[str, Any] = {
        "num_classes": CLASSES,
        "epochs": 3,
        "learning_rate": 0.001,
        "batch_size": 16,
        "early_stopping_patience": 0,
        "class_weighting": "none",
        "random_seed": 1,
        "advance": lambda count: None,
    }
    return fit_classifier(
        train or examples(60, seed=1), val or examples(30, seed=2), **(settings | changed)
    )


def bits(fitted: Fit) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in fitted.head.items()}


def logits_of(
    head: dict[str, npt.NDArray[np.float32]], features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """The head's logits by hand: linear, hard swish, linear; in float64."""
    wide = {name: tensor.astype(np.float64) for name, tensor in head.items()}
    hidden = features.astype(np.float64) @ wide["0.weight"].T + wide["0.bias"]
    active = hidden * np.clip(hidden + 3, 0, 6) / 6
    return np.asarray(active @ wide["3.weight"].T + wide["3.bias"])


def loss_of(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Cross entropy."""
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return float((log_sums - logits[np.arange(len(labels)), labels]).mean())


def test_a_separable_problem_is_learnt() -> None:
    fitted = fit(epochs=5)
    best = fitted.history[fitted.best_epoch - 1]
    assert best["valAccuracy"] == 1
    assert best["trainAccuracy"] == 1
    assert fitted.history[-1]["trainLoss"] < fitted.history[0]["trainLoss"]
    unseen = examples(50, seed=9)
    assert (logits_of(fitted.head, unseen.features).argmax(axis=1) == unseen.labels).all()


def test_the_same_seed_gives_the_same_bits_and_another_gives_others() -> None:
    one, same, other = (fit(random_seed=seed) for seed in (7, 7, 8))
    assert bits(one) == bits(same)
    assert one.history == same.history
    assert bits(one)["0.weight"] != bits(other)["0.weight"]


def test_the_number_of_torch_threads_does_not_change_a_bit() -> None:
    import torch

    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(bits(fit()))
    assert found[0] == found[1]


def test_the_random_state_outside_neither_changes_the_fit_nor_is_changed() -> None:
    import torch

    torch.manual_seed(1)
    one = bits(fit())
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert bits(fit()) == one
    assert torch.equal(torch.get_rng_state(), before)


def test_the_head_on_plain_features_has_the_validation_loss_of_the_best_epoch() -> None:
    val = examples(30, seed=2, spread=2.0)
    fitted = fit(examples(60, seed=1, spread=2.0), val, epochs=6)
    best = fitted.history[fitted.best_epoch - 1]
    logits = logits_of(fitted.head, val.features)
    assert loss_of(logits, val.labels) == pytest.approx(best["valLoss"], rel=1e-4)
    assert (logits.argmax(axis=1) == val.labels).mean() == pytest.approx(best["valAccuracy"])


def test_folding_the_standardisation_into_the_head_keeps_its_logits() -> None:
    import torch

    from ml_workflows.model.fitting import _folded, _standard
    from ml_workflows.model.network import classifier

    features = examples(40, seed=3).features
    mean, spread = _standard(features)
    head = classifier(CLASSES).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0, 0.1)
        expected = head(torch.from_numpy((features - mean) / spread)).numpy()
    logits = logits_of(_folded(head.state_dict(), mean, spread), features)
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()


def test_channels_that_never_vary_do_no_harm() -> None:
    train, val = examples(60, seed=1), examples(30, seed=2)
    for given in (train, val):
        given.features[:, :100] = 0
    assert fit(train, val, epochs=5).history[-1]["valAccuracy"] == 1


def test_photos_that_are_all_alike_are_fitted_without_a_fault() -> None:
    train, val = examples(60, seed=1), examples(30, seed=2)
    for given in (train, val):
        given.features[:] = 1
    assert all(np.isfinite(tensor).all() for tensor in fit(train, val).head.values())


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_the_best_epoch_has_the_lowest_validation_loss(seed: int) -> None:
    train, val = examples(60, seed=seed, spread=6.0), examples(30, seed=seed + 50, spread=6.0)
    fitted = fit(train, val, epochs=12, learning_rate=0.002)
    losses = [epoch["valLoss"] for epoch in fitted.history]
    assert 1 < fitted.best_epoch == 1 + int(np.argmin(losses)) < 12
    assert [epoch["epoch"] for epoch in fitted.history] == list(range(1, 13))
    logits = logits_of(fitted.head, val.features)
    assert loss_of(logits, val.labels) == pytest.approx(min(losses), rel=1e-3)


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_stops_after_so_many_epochs_without_a_better_one(patience: int) -> None:
    wrong = mislabelled(examples(30, seed=2))
    fitted = fit(None, wrong, epochs=40, early_stopping_patience=patience)
    assert len(fitted.history) == fitted.best_epoch + patience < 40


def test_a_patience_of_zero_never_stops_early() -> None:
    wrong = mislabelled(examples(30, seed=2))
    assert len(fit(None, wrong, epochs=12, early_stopping_patience=0).history) == 12


def test_each_epoch_is_told() -> None:
    told: list[int] = []
    fit(epochs=4, advance=told.append)
    assert told == [1, 1, 1, 1]


def test_balanced_weighting_helps_the_small_classes_of_unbalanced_photos() -> None:
    train = examples(66, seed=1, spread=4.0, sizes=(20, 1, 1))
    val = examples(30, seed=2, spread=4.0)
    plain, balanced = (
        fit(train, val, epochs=4, class_weighting=how) for how in ("none", "balanced")
    )
    assert bits(plain) != bits(balanced)

    def sureness_of_small_classes(fitted: Fit) -> float:
        logits = logits_of(fitted.head, val.features)
        return float((logits[:, 1:].max(axis=1) - logits[:, 0]).mean())

    assert sureness_of_small_classes(balanced) > sureness_of_small_classes(plain)


def test_balanced_weighting_changes_nothing_when_classes_are_equally_large() -> None:
    plain, balanced = (fit(class_weighting=how) for how in ("none", "balanced"))
    for one, other in zip(plain.history, balanced.history, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_a_batch_larger_than_the_photos_and_a_last_batch_of_one_are_fine() -> None:
    for batch_size in (1000, 59, 1):
        assert len(fit(batch_size=batch_size).history) == 3


def test_an_absurd_learning_rate_is_named() -> None:
    with pytest.raises(ParameterFault, match=r"no longer a number.*1e\+30.*--learning-rate"):
        fit(learning_rate=1e30)
