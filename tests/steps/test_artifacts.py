"""What all steps promise together: every output is there, and the same bits everywhere."""

from __future__ import annotations

import datetime
import math
import re
import socket
from pathlib import Path

import pytest

from ml_workflows.steps.table import STEPS
from ml_workflows.store.digests import digest_file

pytestmark = pytest.mark.slow

Artifacts = dict[str, Path]


def test_every_output_of_the_table_is_written_and_nothing_else(artifacts: Artifacts) -> None:
    for step in STEPS:
        written = {path.name for path in artifacts[next(iter(step.outputs))].parent.iterdir()}
        assert written == set(step.outputs.values()), step.name
        assert all(artifacts[name].stat().st_size for name in step.outputs), step.name


def test_another_folder_and_number_of_cores_give_the_same_bits(
    artifacts: Artifacts, run_elsewhere: Artifacts
) -> None:
    for name, path in artifacts.items():
        assert digest_file(run_elsewhere[name]) == digest_file(path), name


def test_another_seed_gives_other_splits_and_models(
    artifacts: Artifacts, other_seed: Artifacts
) -> None:
    for name in ("test_split", "torch_model", "onnx_model", "onnx_model_with_preprocessing"):
        assert digest_file(other_seed[name]) != digest_file(artifacts[name]), name


def test_no_artifact_holds_a_path_a_name_of_user_or_host_or_a_date(
    artifacts: Artifacts, drawn: Path
) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    private = {"unmistakable", str(drawn), str(drawn.parent), str(Path.cwd())}
    private |= {today.isoformat(), today.strftime("%d %b %Y"), today.strftime("%Y/%m/%d")}
    if len(socket.gethostname()) > 5:
        private.add(socket.gethostname())
    for name, path in artifacts.items():
        content = path.read_bytes()
        for text in private:
            assert text.encode() not in content, (name, text)
        assert not re.search(rb"20\d\d-[01]\d-[0-3]\d[T ]\d\d:\d\d", content), name


def test_measurements_are_numbers(measurements: dict[str, dict[str, float]]) -> None:
    assert set(measurements) == {step.name for step in STEPS}
    for step, measured in measurements.items():
        for name, value in measured.items():
            assert isinstance(value, int | float) and math.isfinite(value), (step, name)
            assert value >= 0, (step, name)
