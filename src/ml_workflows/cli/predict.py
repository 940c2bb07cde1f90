"""``ml-workflows predict``: labels from the model that a run shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ml_workflows.cli.options import home_option, json_option
from ml_workflows.errors import DataFault, HomeFault, printable
from ml_workflows.store.home import Home
from ml_workflows.store.records import Record, find_record

_MODEL = "onnx_model_with_preprocessing"
_SHOWN = 3


@click.command("predict")
@click.argument("run")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@home_option
@json_option
def predict_command(run: str, photos: tuple[str, ...], home: Home, as_json: bool) -> None:
    """Label each PHOTO with the ONNX model that RUN shipped.

    A photo that cannot be read does not stop the others, but the exit code is 2.
    Example: ml-workflows predict latest photo.jpg
    """
    from ml_workflows.model.runtime import Classifier

    record = find_record(home, run, done=True)
    classifier = Classifier(_model(home, record))
    answers = [_answer(classifier, record, photo) for photo in photos]
    if as_json:
        click.echo(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            click.echo(_line(answer))
    broken = [answer["photo"] for answer in answers if "error" in answer]
    if broken:
        raise DataFault(
            f"{len(broken)} of {len(photos)} photos could not be labelled",
            seen=", ".join(broken[:_SHOWN]),
            remedy="Give JPEG, PNG, WebP, BMP, GIF or TIFF photos within the run's budgets.",
        )


def _model(home: Home, record: Record) -> Path:
    artifact = record["steps"]["train_model"]["artifacts"][_MODEL]
    if not home.objects.holds(artifact["sha256"]):
        raise HomeFault(
            f"the model of run {record['run']} is damaged or gone",
            remedy="Run the same command again; it computes the model anew.",
        )
    return home.objects.path(artifact["sha256"])


def _answer(classifier: Any, record: Record, photo: str) -> dict[str, Any]:
    import numpy as np

    from ml_workflows.data.decoding import Undecodable, decode
    from ml_workflows.model.runtime import softmax

    budgets = {name: record["parameters"][name] for name in ("max_photo_bytes", "max_photo_pixels")}
    try:
        image = decode(Path(photo).read_bytes(), **budgets).image
    except (OSError, ValueError) as error:
        return {"photo": photo, "error": getattr(error, "strerror", None) or str(error)}
    except Undecodable as error:
        return {"photo": photo, "error": f"{error.reason}: {error.detail}"}
    probabilities = softmax(classifier.logits(np.asarray(image)[None]))[0]
    by_label = dict(zip(classifier.classes, map(float, probabilities), strict=True))
    label = max(by_label, key=lambda name: by_label[name])
    return {
        "photo": photo,
        "label": label,
        "probability": by_label[label],
        "probabilities": by_label,
    }


def _line(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return printable(f"{answer['photo']}: cannot be labelled: {answer['error']}")
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:_SHOWN]
    shown = ", ".join(f"{label} {probability:.1%}" for label, probability in ranked)
    return printable(f"{answer['photo']}: {shown}")
