"""The table of steps says what the steps' functions take and give."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workflows import parameters
from ml_workflows.steps.table import LISTING, STEPS, WEIGHTS, Step, StepContext

pytestmark = pytest.mark.slow

each_step = pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])


@each_step
def test_a_steps_function_takes_what_the_table_says_by_keyword(step: Step) -> None:
    function = getattr(importlib.import_module(step.module), step.name)
    context, *others = inspect.signature(function).parameters.values()
    assert context.name == "context"
    assert {one.kind for one in others} == {inspect.Parameter.KEYWORD_ONLY}
    assert {one.default for one in others} == {inspect.Parameter.empty}
    names = [one.name for one in others]
    assert sorted(names) == sorted({*step.parameters, *step.inputs, "out"})


@each_step
def test_inputs_are_paths_but_weights_and_parameters_have_the_types_of_their_table(
    step: Step,
) -> None:
    function = getattr(importlib.import_module(step.module), step.name)
    types = dict(inspect.get_annotations(function, eval_str=True))
    defaults = {one.name: one.default for one in parameters.table()}
    assert types["context"] is StepContext
    assert types["out"] is Path
    for name in step.inputs:
        assert types[name].__name__ == "Weights" if name == WEIGHTS else types[name] is Path
    for name in step.parameters:
        assert types[name] is type(defaults[name])


def test_every_parameter_reaches_a_step() -> None:
    used = {name for step in STEPS for name in step.parameters}
    assert used == set(parameters.names()) - {"data", "weights"}


def test_every_input_comes_from_an_earlier_step_or_from_outside() -> None:
    known = {LISTING, WEIGHTS}
    for step in STEPS:
        assert set(step.inputs) <= known, step.name
        assert not set(step.outputs) & known, step.name
        known |= set(step.outputs)


def test_outputs_are_plain_file_names_like_the_artifacts() -> None:
    for step in STEPS:
        for name, file in step.outputs.items():
            assert Path(file).stem == name
            assert Path(file).name == file


@each_step
def test_only_the_steps_that_say_so_import_torch(step: Step) -> None:
    code = f"import sys, {step.module}; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert answer.strip() == str(step.imports_torch)


def test_a_context_counts_how_far_a_step_is() -> None:
    told: list[tuple[str, int, int]] = []
    context = StepContext(
        photos=None,  # type: ignore[arg-type]
        photo_caches=Path(),
        weights_folder=Path(),
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    advance = context.counting("looking", 5)
    for count in (2, 0, 3):
        advance(count)
    assert told == [("looking", 2, 5), ("looking", 2, 5), ("looking", 5, 5)]
