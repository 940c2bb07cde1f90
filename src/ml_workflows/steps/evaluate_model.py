"""``evaluate_model``: score the very model that ships, on the test photos' bytes."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from ml_workflows.data.photos import Photos
from ml_workflows.data.preprocessing import to_input
from ml_workflows.data.splits import Split, read_split
from ml_workflows.data.tables import read_table, write_table
from ml_workflows.errors import AgreementFault
from ml_workflows.model.features import FeatureCache
from ml_workflows.model.runtime import Classifier, softmax
from ml_workflows.parallel import side_by_side
from ml_workflows.report import scores
from ml_workflows.report.page import Thumbnail, render_report
from ml_workflows.steps.table import StepContext

#: Largest logit difference between PyTorch and ONNX on the same pixels, as a share of the spread
#: of the logits.
TORCH_TOLERANCE = 1e-3
#: The same between what training saw and what the shipped model makes of whole photos: training
#: decodes large JPEGs at a smaller scale, and the graph's pixels may differ by a grey value.
PREPROCESSING_TOLERANCE = 0.05
WORST_MISTAKES = 24
THUMBNAIL_PX = 320

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """The test photos with the shipped model's probabilities ``[N, classes]``."""

    split: Split
    probabilities: npt.NDArray[np.float64]

    @property
    def truth(self) -> npt.NDArray[np.int64]:
        return np.array(self.split.labels(), dtype=np.int64)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)


def evaluate_model(
    context: StepContext,
    *,
    test_split: Path,
    val_split: Path,
    onnx_model: Path,
    onnx_model_with_preprocessing: Path,
    reference_logits: Path,
    data_prep_metrics: Path,
    quarantine: Path,
    train_metrics: Path,
    loss_plot: Path,
    out: Path,
) -> dict[str, float]:
    """Score, compare the three forms of the model, and write the report.

    Raises:
        DataFault: a photo changed or is gone.
        AgreementFault: the forms of the model do not give the same answers.
    """
    split = read_split(test_split)
    shipped, bare = Classifier(onnx_model_with_preprocessing), Classifier(onnx_model)
    logits, bare_logits, extracted = _score_photos(shipped, bare, split, context)
    scored = _Scored(split=split, probabilities=softmax(logits))
    agreement = _agreement(
        logits,
        bare_logits,
        *_reference(bare, context.photos, read_split(val_split), reference_logits),
    )
    matrix = scores.confusion_matrix(scored.truth, scored.predicted, classes=len(split.classes))
    metrics = _metrics(scored, matrix) | {"agreement": agreement}
    confusion = {"classes": list(split.classes), "matrix": matrix.tolist()}
    (out / "eval_metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    (out / "confusion_matrix.json").write_text(json.dumps(confusion) + "\n", "utf-8")
    _write_predictions(scored, out / "predictions.parquet")
    report = render_report(
        preparation=json.loads(data_prep_metrics.read_text("utf-8")),
        training=json.loads(train_metrics.read_text("utf-8")),
        evaluation=metrics,
        confusion=confusion,
        quarantine=read_table(quarantine).to_pylist(),
        loss_plot=loss_plot.read_text("utf-8"),
        mistakes=_worst_mistakes(scored, context.photos),
    )
    (out / "report.html").write_text(report, "utf-8")
    return {"featuresExtracted": extracted, "photosDecoded": context.photos.decoded}


def _score_photos(
    shipped: Classifier, bare: Classifier, split: Split, context: StepContext
) -> tuple[Floats, Floats, int]:
    """Logits ``[N, classes]`` of both models, and how many photos' features were new.

    The shipped model gets whole photos, as a client gives them; the bare one the pixels that
    training saw. The features that come by on the way are kept: in another split the photo may
    be a training photo.
    """
    advance = context.counting("scoring test photos", len(split.photos))
    sizes = np.array([photo.width * photo.height for photo in split.photos])
    largest_first = np.argsort(-sizes, kind="stable")  # so that no core waits for it at the end
    logits = np.empty((2, len(split.photos), len(split.classes)), dtype=np.float32)
    features: dict[str, Floats] = {}

    def score(index: int) -> None:
        photo = split.photos[index]
        logits[0, index] = shipped.logits(np.asarray(context.photos.image(photo))[None])
        bare_logits, seen = bare.logits_and_features(to_input(context.photos.pixels(photo)[None]))
        logits[1, index] = bare_logits
        features[photo.sha256] = seen[0]

    for _ in side_by_side(score, map(int, largest_first)):
        advance(1)
    cache = FeatureCache(
        context.photo_caches, backbone_sha256=bare.backbone_sha256, photos=context.photos
    )
    try:
        known = cache.get(split.photos)
        new = {digest: seen for digest, seen in features.items() if digest not in known}
        cache.put(new)
    finally:
        cache.close()
    return logits[0], logits[1], len(new)


def _reference(
    bare: Classifier, photos: Photos, val: Split, reference_logits: Path
) -> tuple[Floats, Floats]:
    """PyTorch's logits of some validation photos, and the bare ONNX model's of the same."""
    table = read_table(reference_logits)
    by_digest = {photo.sha256: photo for photo in val.photos}
    rows = [by_digest[digest] for digest in table["sha256"].to_pylist()]
    torch_logits = np.array(table["logits"].to_pylist(), dtype=np.float32)
    onnx_logits = [bare.logits(to_input(photos.pixels(photo)[None])) for photo in rows]
    return torch_logits, np.concatenate(onnx_logits)


def _agreement(
    shipped: Floats, bare: Floats, torch_logits: Floats, bare_reference: Floats
) -> dict[str, float]:
    """How far the forms of the model are apart; raises AgreementFault beyond the tolerances."""
    torch_difference = float(np.abs(torch_logits - bare_reference).max())
    torch_tolerance = TORCH_TOLERANCE * float(np.ptp(torch_logits))
    difference = float(np.abs(shipped - bare).max())
    tolerance = PREPROCESSING_TOLERANCE * float(np.ptp(bare))
    agreement = {
        "torchToOnnxLogitDifference": torch_difference,
        "torchToOnnxLabelFlips": _flips(torch_logits, bare_reference),
        "torchToOnnxTolerance": torch_tolerance,
        "torchToOnnxPhotos": len(torch_logits),
        "preprocessingLogitDifference": difference,
        "preprocessingLabelFlips": _flips(shipped, bare),
        "preprocessingTolerance": tolerance,
        "preprocessingPhotos": len(shipped),
    }
    # Written so that a NaN, which is neither larger nor smaller, fails.
    if not (torch_difference <= torch_tolerance and difference <= tolerance):
        raise AgreementFault(
            "the PyTorch model, the ONNX model and the ONNX model with preprocessing differ",
            seen=agreement,
            remedy="Do not ship this run; compare the versions of torch and onnxruntime with"
            " the lock, and train again.",
        )
    return agreement


def _flips(one: Floats, other: Floats) -> int:
    return int((one.argmax(axis=1) != other.argmax(axis=1)).sum())


def _metrics(scored: _Scored, matrix: npt.NDArray[np.int64]) -> dict[str, Any]:
    return {
        "testSize": len(scored.split.photos),
        **{name: float(value) for name, value in scores.overall(matrix).items()},
        "expectedCalibrationError": scores.expected_calibration_error(
            scored.probabilities, scored.truth
        ),
        "intervals": scores.intervals(matrix),
        "perClass": scores.per_class(matrix, scored.split.classes),
    }


def _write_predictions(scored: _Scored, path: Path) -> None:
    photos, classes = scored.split.photos, scored.split.classes
    table = {
        "key": [photo.key for photo in photos],
        "sha256": [photo.sha256 for photo in photos],
        "label": [photo.label for photo in photos],
        "predicted": [classes[index] for index in scored.predicted],
        "probability": scored.probabilities.max(axis=1),
        "probabilities": scored.probabilities.tolist(),
    }
    schema = pa.table(table).schema.with_metadata({"classes": json.dumps(classes)})
    write_table(pa.table(table, schema=schema), path)


def _worst_mistakes(scored: _Scored, photos: Photos) -> list[Thumbnail]:
    """The wrong answers that the model was surest of."""
    wrong = np.flatnonzero(scored.truth != scored.predicted)
    sure = scored.probabilities.max(axis=1)
    worst = sorted(wrong, key=lambda i: (-sure[i], scored.split.photos[i].key))
    return [_thumbnail(scored, int(i), photos) for i in worst[:WORST_MISTAKES]]


def _thumbnail(scored: _Scored, index: int, photos: Photos) -> Thumbnail:
    photo = scored.split.photos[index]
    image = photos.image(photo)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Thumbnail(
        key=photo.key,
        truth=photo.label,
        predicted=scored.split.classes[scored.predicted[index]],
        probability=float(scored.probabilities[index].max()),
        truth_probability=float(scored.probabilities[index, scored.truth[index]]),
        jpeg=buffer.getvalue(),
    )
