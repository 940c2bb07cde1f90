"""The steps: what each takes and gives. Engines wire them from this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_workflows.data.photos import Photos


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step's function is named like its module in this package.

    It takes a :class:`StepContext`, ``inputs`` as paths and ``parameters`` as values, writes
    ``outputs`` by file name into the folder ``out``, and returns measurements of this machine.
    """

    name: str
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: dict[str, str]
    imports_torch: bool = False

    @property
    def module(self) -> str:
        """The module that holds the step's function."""
        return f"ml_workflows.steps.{self.name}"


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a step works with besides its inputs: nothing here changes a result."""

    photos: Photos
    photo_caches: Path
    weights_folder: Path
    progress: Callable[[str, int, int], None]

    def counting(self, what: str, total: int) -> Callable[[int], None]:
        """A function to be told how many more of ``total`` are done."""
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.progress(what, done, total)

        return advance


LISTING = "listing"
WEIGHTS = "weights"

STEPS = (
    Step(
        name="prepare_data",
        parameters=(
            "random_seed",
            "train_ratio",
            "val_ratio",
            "test_ratio",
            "max_photo_bytes",
            "max_photo_pixels",
            "max_quarantine_share",
        ),
        inputs=(LISTING,),
        outputs={
            "train_split": "train_split.parquet",
            "val_split": "val_split.parquet",
            "test_split": "test_split.parquet",
            "quarantine": "quarantine.parquet",
            "data_prep_metrics": "data_prep_metrics.json",
        },
    ),
    Step(
        name="train_model",
        parameters=(
            "random_seed",
            "epochs",
            "learning_rate",
            "batch_size",
            "early_stopping_patience",
            "class_weighting",
        ),
        inputs=("train_split", "val_split", WEIGHTS),
        outputs={
            "torch_model": "torch_model.safetensors",
            "onnx_model": "onnx_model.onnx",
            "onnx_model_with_preprocessing": "onnx_model_with_preprocessing.onnx",
            "reference_logits": "reference_logits.parquet",
            "train_metrics": "train_metrics.json",
            "loss_plot": "loss_plot.svg",
        },
        imports_torch=True,
    ),
    Step(
        name="evaluate_model",
        parameters=(),
        inputs=(
            "test_split",
            "val_split",
            "onnx_model",
            "onnx_model_with_preprocessing",
            "reference_logits",
            "data_prep_metrics",
            "quarantine",
            "train_metrics",
            "loss_plot",
        ),
        outputs={
            "eval_metrics": "eval_metrics.json",
            "confusion_matrix": "confusion_matrix.json",
            "predictions": "predictions.parquet",
            "report": "report.html",
        },
    ),
    Step(
        name="optimize_model",
        parameters=(),
        inputs=("test_split", "onnx_model"),
        outputs={
            "optimized_onnx_model": "optimized_onnx_model.onnx",
            "optimization_metrics": "optimization_metrics.json",
        },
    ),
)
