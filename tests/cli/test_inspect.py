"""``runs``, ``show``, ``why`` and ``predict`` on a real run with hostile names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest

from tests.conftest import FAST, TIMEOUT_SECONDS, Answer, Command, command

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert('x')</script>\u202e"
LONG = "n" * 251 + ".jpg"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, demo_share: Path) -> Path:
    """A home with one run, on photos with hostile names and some that cannot be used."""
    folder = tmp_path_factory.mktemp("inspect")
    photos = shutil.copytree(demo_share, folder / "photos")
    hostile = photos / HOSTILE.replace("/", "")
    (photos / "rain").rename(hostile)
    first, second, *_ = sorted(hostile.iterdir())
    first.rename(hostile / "a\n\"b'.jpg")
    second.rename(hostile / LONG)
    (photos / "snow" / "zero.jpg").write_bytes(b"")
    (photos / "snow" / "notes.txt").write_text("not a photo")
    (photos / "snow" / "text.jpg").write_text("not a photo either")
    run = [*command("run"), *FAST, "--data", "photos", "--home", "home", "--quiet"]
    subprocess.run(run, cwd=folder, check=True, timeout=TIMEOUT_SECONDS)
    return folder / "home"


@pytest.fixture
def ask(ml_workflows: Command, home: Path) -> Command:
    """A command on that home."""

    def run(*words: str | Path) -> Answer:
        return ml_workflows(*words, "--home", home, COLUMNS="200")

    return run


def test_runs_shows_when_data_and_f1_with_its_interval(ask: Command) -> None:
    row = ask("runs").out.splitlines()[1]
    assert "photos" in row
    assert " to " in row
    assert json.loads(ask("runs", "--json").out)[0]["status"] == "done"


def test_show_names_steps_metrics_artifacts_with_digests_and_the_report(
    ask: Command, home: Path
) -> None:
    record = json.loads(ask("show", "latest", "--json").out)
    text = ask("show", record["run"][-4:]).out
    for name, step in record["steps"].items():
        assert name in text
        for artifact in step["artifacts"].values():
            assert artifact["sha256"][:12] in text
            assert (home / "runs" / record["run"] / artifact["file"]).is_file()
    assert "weightedF1Score" in text
    assert str(home / "runs" / record["run"] / "report.html") in text


def test_an_unknown_run_names_the_nearest(ask: Command) -> None:
    answer = ask("show", "20990101")
    assert answer.code == 2
    assert "there is no run '20990101' (seen: 20" in answer.err


def test_what_could_not_be_used_is_in_the_quarantine_and_other_files_are_counted(
    ask: Command, home: Path
) -> None:
    metrics = json.loads(ask("show", "--json").out)["steps"]["prepare_data"]["metrics"]
    assert metrics["quarantineReasons"] == {"empty": 1, "unknown_format": 1}
    assert metrics["ignoredFiles"] == 1


def test_the_report_escapes_every_name_and_holds_no_script(home: Path) -> None:
    (report,) = home.glob("runs/*/report.html")
    text = report.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_why_says_that_a_first_run_has_nothing_to_compare_with(ask: Command) -> None:
    text = ask("why").out
    assert "compared with nothing: it is the first" in text
    assert "train_model ran: no earlier run" in text


def test_predict_gives_labels_and_probabilities_and_names_what_it_cannot_read(
    ask: Command, home: Path
) -> None:
    photos = home.parent / "photos"
    good = sorted((photos / "dew").iterdir())[0]
    answer = ask("predict", "latest", good, photos / "snow/text.jpg", photos / "none.jpg", "--json")
    assert answer.code == 2
    labelled, text, missing = json.loads(answer.out)
    assert sum(labelled["probabilities"].values()) == pytest.approx(1)
    assert labelled["probabilities"][labelled["label"]] == labelled["probability"]
    assert text["error"].startswith("unknown_format")
    assert missing["error"] == os.strerror(2)
    assert "2 of 3 photos could not be labelled" in answer.err
    line = ask("predict", "latest", good).out
    assert line.startswith(f"{good}: ")
    assert "%" in line


def test_predict_refuses_a_damaged_model(ask: Command, home: Path) -> None:
    record = json.loads(ask("show", "--json").out)
    artifacts = record["steps"]["train_model"]["artifacts"]
    digest = artifacts["onnx_model_with_preprocessing"]["sha256"]
    stored = home / "objects" / digest[:2] / digest[2:]
    content = stored.read_bytes()
    stored.chmod(0o644)
    try:
        stored.write_bytes(content[:1000])
        answer = ask("predict", "latest", "photo.jpg")
    finally:
        stored.write_bytes(content)
    assert answer.code == 2
    assert "damaged or gone" in answer.err


def test_the_shipped_model_tells_its_classes(ask: Command, home: Path) -> None:
    (model,) = home.glob("runs/*/train_model/onnx_model_with_preprocessing.onnx")
    session = onnxruntime.InferenceSession(str(model))
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    assert HOSTILE.replace("/", "") in classes
    assert classes == sorted(classes)
