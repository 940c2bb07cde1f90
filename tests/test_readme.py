"""Every command in the README works as it is written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import Command

README = Path(__file__).parent.parent / "README.md"
PROGRAM = ".venv/bin/ml-workflows"


def commands() -> list[list[str]]:
    """The lines of the README's shell blocks, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_the_commands_of_the_readme_run_one_after_another(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_share, tmp_path / "photos")
    photo = sorted((demo_share / "rain").glob("*.jpg"))[0]
    shutil.copyfile(photo, tmp_path / "photos/rain/2026-03-01-north.jpg")
    ours = [words[1:] for words in commands() if words[0] == PROGRAM]
    assert [words[0] for words in ours] == ["run", "runs", "show", "why", "predict"]
    for words in ours:
        # There is no network in tests, so the ImageNet weights cannot be had.
        offline = ["--weights", "none"] if words[0] == "run" else []
        answer = ml_workflows(*words, *offline)
        assert answer.code == 0, answer.err


def test_the_other_commands_are_targets_of_the_makefile() -> None:
    text = README.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (README.parent / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^(?: {4})?make ([a-z-]+)", text, re.MULTILINE)
    assert named[:2] == ["run", "test"]
    assert set(named) <= set(targets)


def test_links_and_pictures_are_there() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / link).is_file(), link
