"""The four steps on a few drawn photos, called as plain functions without an engine."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.data.demo import draw_demo_photos
from ml_workflows.data.photos import Photos
from ml_workflows.data.sources import open_source
from ml_workflows.model.weights import Weights, identify
from ml_workflows.parameters import Parameters
from ml_workflows.steps.table import LISTING, STEPS, WEIGHTS, Step, StepContext
from ml_workflows.store.home import Home

Artifacts = dict[str, Path]
Measurements = dict[str, dict[str, float]]
CallStep = Callable[..., tuple[Artifacts, dict[str, float]]]

#: Three splits that all hold each class, of about seven photos a class.
PARAMETERS: dict[str, Any] = {
    "weights": "none",
    "epochs": 2,
    "learning_rate": 0.002,
    "random_seed": 1,
    "train_ratio": 0.6,
    "val_ratio": 0.2,
    "test_ratio": 0.2,
}


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Steps set the number of torch's threads; the other tests keep theirs."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch:
        torch.set_num_threads(before)


@contextmanager
def open_context(photos_folder: Path, home: Path) -> Iterator[StepContext]:
    """What an engine gives to a step besides its inputs."""
    rooms = Home(home)
    photos = Photos(open_source(str(photos_folder)), cache_folder=rooms.photos)
    try:
        yield StepContext(
            photos=photos,
            photo_caches=rooms.photos,
            weights_folder=rooms.weights,
            progress=lambda what, done, total: None,
        )
    finally:
        photos.close()


def call(
    name: str,
    given: Mapping[str, Path],
    *,
    photos: Path,
    home: Path,
    out: Path,
    **changed: Any,
) -> tuple[Artifacts, dict[str, float]]:
    """Call one step; its outputs by name, and what it measured."""
    step: Step = next(step for step in STEPS if step.name == name)
    parameters = Parameters(**(PARAMETERS | {"data": str(photos)} | changed))
    inputs: dict[str, Path | Weights] = {n: given[n] for n in step.inputs if n != WEIGHTS}
    if WEIGHTS in step.inputs:
        inputs[WEIGHTS] = identify(parameters.weights)
    values = {name: getattr(parameters, name) for name in step.parameters}
    function = getattr(importlib.import_module(step.module), step.name)
    out.mkdir(parents=True, exist_ok=True)
    with open_context(photos, home) as context:
        measured = function(context, **inputs, **values, out=out)
    return {output: out / file for output, file in step.outputs.items()}, measured


def call_all(
    *, photos: Path, folder: Path, steps: int = len(STEPS), **changed: Any
) -> tuple[Artifacts, Measurements]:
    """The listing and the first ``steps`` steps, each writing into a folder of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = {LISTING: folder / "listing.jsonl"}
    listing = open_source(str(photos)).list(advance=lambda count: None)
    artifacts[LISTING].write_text(listing.to_text(), encoding="utf-8")
    measurements: Measurements = {}
    for step in STEPS[:steps]:
        outputs, measurements[step.name] = call(
            step.name,
            artifacts,
            photos=photos,
            home=folder / "home",
            out=folder / step.name,
            **changed,
        )
        artifacts |= outputs
    return artifacts, measurements


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the drawn photos; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_demo_photos(folder, share=0.1)
    return folder


@pytest.fixture(scope="session")
def run(
    drawn: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Artifacts, Measurements, Path]:
    """One run of all steps by a user of an unmistakable name, and the folder where it was."""
    folder = tmp_path_factory.mktemp("unmistakable-run")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("USER", "LOGNAME", "USERNAME"):
            patch.setenv(name, "unmistakable-user")
        patch.setenv("HOME", "/home/unmistakable-user")
        return *call_all(photos=drawn, folder=folder), folder


@pytest.fixture(scope="session")
def artifacts(run: tuple[Artifacts, Measurements, Path]) -> Artifacts:
    """What the run's steps gave, by name."""
    return run[0]


@pytest.fixture(scope="session")
def measurements(run: tuple[Artifacts, Measurements, Path]) -> Measurements:
    """What the run's steps measured, by step."""
    return run[1]


@pytest.fixture(scope="session")
def home(run: tuple[Artifacts, Measurements, Path]) -> Path:
    """The home of the run: it holds what is known of the photos."""
    return run[2] / "home"


@pytest.fixture(scope="session")
def run_elsewhere(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """The same run on a copy of the photos, in another folder, of one core."""
    folder = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.copytree(drawn, folder / "copied photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml_workflows.parallel.cores", lambda: 1)
        return call_all(photos=folder / "copied photos", folder=folder / "run")[0]


@pytest.fixture(scope="session")
def other_seed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """The splits and models of another seed."""
    folder = tmp_path_factory.mktemp("other-seed")
    return call_all(photos=drawn, folder=folder, steps=2, random_seed=2)[0]


@pytest.fixture
def call_step(drawn: Path, home: Path, tmp_path: Path) -> CallStep:
    """Call a step with what the run knows of the photos, writing into a new folder."""

    def call_one(
        name: str, given: Mapping[str, Path], **changed: Any
    ) -> tuple[Artifacts, dict[str, float]]:
        places = {"photos": drawn, "home": home, "out": tmp_path / "out"}
        return call(name, given, **(places | changed))

    return call_one
