"""``ml-workflows run`` and its refusals, as a user types them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ml_workflows import parameters
from tests.conftest import FAST, Command


def test_help_names_every_parameter_with_default_range_and_unit(ml_workflows: Command) -> None:
    text = " ".join(ml_workflows("run", "--help", COLUMNS="200").out.split())
    for parameter in parameters.table():
        limits = parameters.limits(parameter)
        assert "--" + parameter.name.replace("_", "-") in text
        assert limits.help in text
        assert f"default: {parameter.default}" in text
        assert limits.range_text() in text
        assert limits.unit in text


def test_the_flags_of_run_are_the_parameters_and_five_more(ml_workflows: Command) -> None:
    flags = set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", ml_workflows("run", "--help").out, re.M))
    named = {"--" + name.replace("_", "-") for name in parameters.names()}
    assert flags == named | {"--config", "--home", "--quiet", "--json", "--help"}


def test_every_command_has_help_with_an_example(ml_workflows: Command) -> None:
    commands = re.findall(
        r"^  ([a-z]+) ", ml_workflows("--help").out.partition("Commands:")[2], re.M
    )
    assert commands == ["predict", "run", "runs", "show", "why"]
    for name in commands:
        assert f"Example: ml-workflows {name}" in ml_workflows(name, "--help").out


def test_help_imports_neither_numpy_nor_anything_heavy() -> None:
    code = (
        "import sys\nfrom ml_workflows.cli.main import cli\n"
        "cli.main(['run', '--help'], standalone_mode=False)\n"
        "print(sorted({'torch', 'numpy', 'onnxruntime', 'pyarrow', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epoch", "3"], "Did you mean '--epochs'?"),
        (["--epochs", "many"], "'many' is not a valid integer"),
        (["--epochs", "0"], "epochs is out of range (seen: 0). Choose a value in [1, 100000]."),
        (["--train-ratio", "1.2"], "train_ratio is out of range (seen: 1.2)"),
        (["--train-ratio", "0.5"], "do not sum to 1 (seen: 0.5 + 0.1 + 0.1 = 0.7)"),
        (["--class-weighting", "heavy"], "Choose a value in none | balanced."),
        (["--data", "missing"], "the photo folder is not there (seen: missing)"),
        (["--data", "gs://bucket/photos"], "only local folders are read so far"),
        (["--weights", "missing.pth"], "the weights are no .pth, .pt or .safetensors file"),
        (["--config", "missing.toml"], "the configuration file missing.toml cannot be read"),
    ],
)
def test_a_wrong_word_is_refused_with_what_to_do(
    ml_workflows: Command, words: list[str], said: str
) -> None:
    answer = ml_workflows("run", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_a_wrong_command_names_the_nearest(ml_workflows: Command) -> None:
    answer = ml_workflows("rum")
    assert answer.code == 2
    assert "Did you mean 'run'?" in answer.err


def test_an_unknown_key_in_the_configuration_names_the_nearest(
    ml_workflows: Command, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text("epoch = 3\n")
    answer = ml_workflows("run", "--config", "run.toml")
    assert answer.code == 2
    assert "there is no parameter 'epoch'. Did you mean 'epochs'?" in answer.err


def make_photos(folder: Path, sizes: dict[str, int]) -> Path:
    """Small plain photos, each of another colour."""
    for label, count in sizes.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photo = Image.new("RGB", (40, 40), (number, sum(map(ord, label)) % 256, 90))
            photo.save(folder / label / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({}, "there are no photos"),
        ({"rain": 8}, "a classifier needs photos of at least two classes (seen: 1 class: 'rain')"),
        ({"rain": 8, "snow": 2}, "the class 'snow' has too few different photos for 3 splits"),
    ],
)
def test_photos_that_make_no_classifier_are_refused(
    ml_workflows: Command, tmp_path: Path, sizes: dict[str, int], said: str
) -> None:
    photos = make_photos(tmp_path / "photos", sizes)
    photos.mkdir(exist_ok=True)
    answer = ml_workflows("run", *FAST, "--data", photos)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert "failed" in ml_workflows("runs").out


def test_too_many_broken_photos_stop_the_run_and_are_named(
    ml_workflows: Command, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", {"rain": 8, "snow": 8})
    for number in range(4):
        (photos / "snow" / f"{number}.png").write_bytes(b"")
    answer = ml_workflows("run", *FAST, "--data", photos)
    assert answer.code == 2
    assert "4 of 16 photos cannot be used: 4 empty; the first is 'snow/0.png'" in answer.err
    assert "--max-quarantine-share" in answer.err


@pytest.mark.slow
def test_a_configuration_file_gives_the_same_names_and_flags_go_before_it(
    ml_workflows: Command, tmp_path: Path, demo_share: Path
) -> None:
    (tmp_path / "run.toml").write_text(
        f'data = "{demo_share}"\nweights = "none"\nepochs = 3\nrandom_seed = 5\n'
    )
    answer = ml_workflows("run", "--config", "run.toml", "--epochs", "1", "--quiet", "--json")
    found = answer.record["parameters"]
    assert (found["epochs"], found["random_seed"], found["weights"]) == (1, 5, "none")
    assert answer.err == ""
