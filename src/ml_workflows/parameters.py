"""The runtime parameters: one table.

Every engine's inputs, the command line's flags, the configuration file's keys and the table in
the README come from the fields of :class:`Parameters`.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from ml_workflows.errors import ParameterFault

DEMO = "demo"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a parameter means and which values it takes."""

    help: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    demo_default: str | None = None

    def range_text(self) -> str:
        """The range as people write it: ``[1, 100000]``, ``(0, 1)``, ``none | balanced``."""
        if self.choices:
            return " | ".join(self.choices)
        if math.isinf(self.low):
            return ""
        opening, closing = "(["[not self.open_low], ")]"[not self.open_high]
        high = "∞" if math.isinf(self.high) else f"{self.high:g}"
        if self.high >= 10_000 and not math.isinf(self.high):
            high = f"{self.high:.15g}"
        return f"{opening}{self.low:g}, {high}{closing}"

    def allow(self, value: object) -> bool:
        """Whether ``value`` is one of the choices or within the range."""
        if self.choices:
            return value in self.choices
        if not isinstance(value, int | float):
            return True
        if isinstance(value, float) and not math.isfinite(value):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


def _parameter(default: Any, **limits: Any) -> Any:
    return field(default=default, metadata={"limits": Limits(**limits)})


def _ratio(default: float, split: str) -> Any:
    text = f"share of each class's photos that goes into the {split} split"
    return _parameter(default, help=text, low=0, high=1, open_low=True, open_high=True)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a run may be told. Checked at creation; raises :class:`ParameterFault`."""

    data: str = _parameter(
        DEMO, help="folder with one sub-folder of photos a class, or 'demo' for drawn photos"
    )
    random_seed: int = _parameter(
        42, help="seed of the splits, of the classifier and of batches", low=0, high=2**32 - 1
    )
    train_ratio: float = _ratio(0.8, "train")
    val_ratio: float = _ratio(0.1, "val")
    test_ratio: float = _ratio(0.1, "test")
    max_photo_bytes: int = _parameter(
        64 * 2**20, help="a larger photo file is quarantined", unit="bytes", low=1, high=2**31
    )
    max_photo_pixels: int = _parameter(
        50_000_000, help="a larger photo is quarantined unseen", unit="px", low=1, high=170_000_000
    )
    max_quarantine_share: float = _parameter(
        0.1, help="with a larger share of photos quarantined the run stops", low=0, high=1
    )
    weights: str = _parameter(
        "imagenet",
        help="the backbone: 'imagenet', 'none' (random), or a .pth or .safetensors file",
        demo_default="none",
    )
    epochs: int = _parameter(
        10, help="how often the classifier sees the training photos", low=1, high=100_000
    )
    learning_rate: float = _parameter(
        0.0005, help="step size of AdamW", low=0, high=10, open_low=True
    )
    batch_size: int = _parameter(
        32, help="photos a training step", unit="photos", low=1, high=65536
    )
    early_stopping_patience: int = _parameter(
        10,
        help="stop after so many epochs without a lower validation loss; 0 never stops early",
        unit="epochs",
        low=0,
        high=100_000,
    )
    class_weighting: str = _parameter(
        "none",
        help="'balanced' weighs each class's loss by the inverse of its size",
        choices=("none", "balanced"),
    )

    def __post_init__(self) -> None:
        for parameter in table():
            value = _checked(parameter, getattr(self, parameter.name))
            object.__setattr__(self, parameter.name, value)
        ratios = [getattr(self, f"{split}_ratio") for split in SPLITS]
        if not math.isclose(math.fsum(ratios), 1.0, abs_tol=1e-6):
            raise ParameterFault(
                "train_ratio, val_ratio and test_ratio do not sum to 1",
                seen=" + ".join(map(str, ratios)) + f" = {math.fsum(ratios)}",
                remedy="Give all three, for example 0.7, 0.2 and 0.1.",
            )


def table() -> tuple[Field[Any], ...]:
    """The parameters in order: name, type, default, and :func:`limits`."""
    return fields(Parameters)


def limits(parameter: Field[Any]) -> Limits:
    """Help, unit and range of one row of :func:`table`."""
    return cast(Limits, parameter.metadata["limits"])


def names() -> tuple[str, ...]:
    """The names of all parameters, in the order of the table."""
    return tuple(parameter.name for parameter in table())


def parameters_from(values: Mapping[str, object]) -> Parameters:
    """The parameters with these values over the defaults; the demo has a default of its own.

    Raises:
        ParameterFault: a name is unknown, or a value is of the wrong type or out of range.
    """
    for name in values:
        if name not in names():
            raise ParameterFault(
                f"there is no parameter {name!r}", remedy=_nearest(name) + " `--help` lists all."
            )
    chosen = dict(values)
    if chosen.get("data", DEMO) == DEMO:
        for parameter in table():
            if limits(parameter).demo_default is not None:
                chosen.setdefault(parameter.name, limits(parameter).demo_default)
    return Parameters(**cast(Any, chosen))


def read_config(path: Path) -> dict[str, object]:
    """The parameters named in a TOML file, unchecked.

    Raises:
        ParameterFault: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterFault(
            f"the configuration file {path} cannot be read: {error}",
            remedy="Give a TOML file with lines such as `epochs = 20`.",
        ) from error


def _checked(parameter: Field[Any], value: object) -> object:
    expected: type = type(parameter.default)
    right = isinstance(value, expected) or (expected is float and isinstance(value, int))
    if not right or isinstance(value, bool):
        raise ParameterFault(
            f"{parameter.name} must be of type {expected.__name__}",
            seen=f"{value!r}",
            remedy=f"The default is {parameter.default!r}.",
        )
    if not limits(parameter).allow(value):
        raise ParameterFault(
            f"{parameter.name} is out of range",
            seen=value,
            remedy=f"Choose a value in {limits(parameter).range_text()}.",
        )
    return expected(value)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name.replace("-", "_"), names(), n=1)
    return f"Did you mean {near[0]!r}?" if near else "The name is like none of them."
