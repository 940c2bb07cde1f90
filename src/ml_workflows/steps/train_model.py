"""``train_model``: features from the frozen backbone, a classifier on them, models to ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import save_file

from ml_workflows.data.preprocessing import to_input
from ml_workflows.data.splits import Split, read_split
from ml_workflows.data.tables import write_table
from ml_workflows.model import onnx_models
from ml_workflows.model.backbone_graph import backbone_model
from ml_workflows.model.features import extract_features
from ml_workflows.model.fitting import Examples, Fit, fit_classifier
from ml_workflows.model.network import MobileNetV3Small
from ml_workflows.model.weights import Weights, load_backbone
from ml_workflows.report.plots import draw_loss_plot
from ml_workflows.steps.table import StepContext

#: How many validation photos PyTorch scores, for evaluate_model to compare with.
REFERENCE_PHOTOS = 16
#: Random backbone weights are the same in all runs, so that their features are shared.
BACKBONE_SEED = 0


def train_model(
    context: StepContext,
    *,
    train_split: Path,
    val_split: Path,
    weights: Weights,
    out: Path,
    random_seed: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    early_stopping_patience: int,
    class_weighting: str,
) -> dict[str, float]:
    """Fit the classifier of MobileNetV3-Small on the features of a frozen backbone.

    Raises:
        WeightsFault: the weights cannot be had or read.
        DataFault: a photo whose features are not known yet changed or is gone.
        ParameterFault: the learning rate makes the loss overflow.
    """
    train, val = read_split(train_split), read_split(val_split)
    network = _network(weights, classes=len(train.classes), context=context)
    backbone = backbone_model(network)
    extraction = extract_features(
        onnx_models.to_bytes(backbone),
        context.photos,
        [*train.photos, *val.photos],
        cache_folder=context.photo_caches,
        advance=context.counting("extracting features", len(train.photos) + len(val.photos)),
    )
    features = extraction.features
    count = len(train.photos)
    fit = fit_classifier(
        Examples(features=features[:count], labels=np.array(train.labels())),
        Examples(features=features[count:], labels=np.array(val.labels())),
        num_classes=len(train.classes),
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        early_stopping_patience=early_stopping_patience,
        class_weighting=class_weighting,
        random_seed=random_seed,
        advance=context.counting("fitting the classifier", epochs),
    )
    _write_models(network, backbone, fit, classes=train.classes, out=out)
    _write_reference(network, val, context, out / "reference_logits.parquet")
    metrics = _metrics(fit, weights, epochs=epochs, network=network)
    (out / "train_metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    plot = draw_loss_plot(fit.history, best_epoch=fit.best_epoch)
    (out / "loss_plot.svg").write_text(plot, "utf-8")
    return {"featuresExtracted": extraction.extracted, "photosDecoded": context.photos.decoded}


def _network(weights: Weights, *, classes: int, context: StepContext) -> MobileNetV3Small:
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(BACKBONE_SEED)
        network = MobileNetV3Small(classes)
    load_backbone(network, weights, folder=context.weights_folder)
    return network.eval()


def _write_models(
    network: MobileNetV3Small, backbone: Any, fit: Fit, *, classes: tuple[str, ...], out: Path
) -> None:
    head = {name: torch.from_numpy(tensor) for name, tensor in fit.head.items()}
    network.classifier.load_state_dict(head)
    save_file(
        {name: tensor.contiguous() for name, tensor in sorted(network.state_dict().items())},
        out / "torch_model.safetensors",
        metadata={"classes": json.dumps(classes)},
    )
    classifier = onnx_models.with_classifier(backbone, fit.head, classes=classes)
    whole = onnx_models.with_preprocessing(classifier)
    (out / "onnx_model.onnx").write_bytes(onnx_models.to_bytes(classifier))
    (out / "onnx_model_with_preprocessing.onnx").write_bytes(onnx_models.to_bytes(whole))


def _write_reference(
    network: MobileNetV3Small, val: Split, context: StepContext, path: Path
) -> None:
    """PyTorch's own logits of some validation photos: what the ONNX models must reproduce."""
    chosen = val.photos[:: max(1, len(val.photos) // REFERENCE_PHOTOS)][:REFERENCE_PHOTOS]
    pixels = np.stack([context.photos.pixels(photo) for photo in chosen])
    with torch.inference_mode():
        logits = network(torch.from_numpy(to_input(pixels)))
    schema = pa.schema([("sha256", pa.string()), ("logits", pa.list_(pa.float32()))])
    columns = [[photo.sha256 for photo in chosen], logits.tolist()]
    write_table(pa.table(columns, schema=schema), path)


def _metrics(
    fit: Fit, weights: Weights, *, epochs: int, network: MobileNetV3Small
) -> dict[str, Any]:
    best = fit.history[fit.best_epoch - 1]
    losses = ("trainLoss", "valLoss", "trainAccuracy", "valAccuracy")
    return {
        **{name: best[name] for name in losses},
        "bestEpoch": fit.best_epoch,
        "epochsRun": len(fit.history),
        "stoppedEarly": len(fit.history) < epochs,
        "weights": weights.origin,
        "weightsDigest": weights.sha256 or None,
        "parameterCount": sum(parameter.numel() for parameter in network.parameters()),
        "history": fit.history,
    }
