"""The local engine: plain Python that calls four steps through the step cache."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ml_workflows.engines.execution import Request, execute
from ml_workflows.engines.worker import StepWorker
from ml_workflows.model.weights import NONE, Weights, identify
from ml_workflows.parameters import DEMO, Parameters
from ml_workflows.steps.table import LISTING, STEPS, WEIGHTS, Step
from ml_workflows.store import records
from ml_workflows.store.digests import digest_value, write_whole
from ml_workflows.store.environment import environment
from ml_workflows.store.home import Home
from ml_workflows.store.source_code import source_code
from ml_workflows.store.step_cache import Artifact, StepCache, StepResult

RAN = "ran"
CACHED = "cached"
_METRICS = "_metrics"
_RANDOM_WEIGHTS = "the demo starts from random weights: no ImageNet file is needed"


class Listener(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None:
        """Something that a person should know."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So many of so many are done; a ``total`` of 0 is not known."""

    def step_started(self, step: str) -> None:
        """A step is about to be executed."""

    def step_done(self, step: str, outcome: str, seconds: float) -> None:
        """A step ran or came from the cache."""


def run_pipeline(parameters: Parameters, home: Home, listener: Listener) -> records.Record:
    """Run ``prepare_data``, ``train_model``, ``evaluate_model`` and ``optimize_model``.

    Each step whose key is known comes from the cache. The record is written after each step, so
    an interrupted run leaves a record of what it did, and the next one goes on from there.

    Raises:
        UserFault: whatever a step refuses; the run's record says so.
    """
    home.check_writable()
    home.sweep()
    weights = identify(parameters.weights)
    run = _Run(parameters, weights, home, listener)
    try:
        run.begin()
        for step in STEPS:
            run.step(step)
        run.finish("done")
    except BaseException as error:
        interrupted = not isinstance(error, Exception)
        run.finish("interrupted" if interrupted else "failed", error=str(error))
        raise
    finally:
        run.stop_worker()
    return run.record


class _Run:
    """One run on its way: artifacts so far by name, and the record."""

    def __init__(
        self, parameters: Parameters, weights: Weights, home: Home, listener: Listener
    ) -> None:
        self._began = time.perf_counter()
        self._parameters = parameters
        self._weights = weights
        self._home = home
        self._listener = listener
        self._cache = StepCache(home)
        self._worker: StepWorker | None = None
        self._data = parameters.data
        self._artifacts: dict[str, str] = {}
        self.record: records.Record = {}

    def begin(self) -> None:
        """List the photos as they are now, and begin the record."""
        if not self._home.steps.exists():  # a new home: training is certain
            self._start_worker()
        if self._data == DEMO:
            self._data = str(_demo_photos(self._home, self._listener))
            if self._weights.origin == NONE:
                self._listener.say(_RANDOM_WEIGHTS)
        self._artifacts[LISTING] = self._list_photos()
        now = datetime.now(UTC)
        self.record = {
            "format": records.FORMAT,
            "run": records.new_run(now),
            "status": "running",
            "started": now.isoformat(timespec="seconds"),
            "seconds": 0.0,
            "parameters": asdict(self._parameters),
            LISTING: self._artifacts[LISTING],
            WEIGHTS: {"origin": self._weights.origin, "sha256": self._weights.sha256},
            "steps": {},
            "environment": environment(_packages()),
            "git": {"commit": records.git_commit(Path.cwd())},
        }
        self._write_record()

    def step(self, step: Step) -> None:
        """Take the step's result from the cache, or execute it."""
        began = time.perf_counter()
        ingredients = self._ingredients(step)
        key = digest_value(ingredients)
        outcome = CACHED
        result = self._cache.read(step.name, key, say=self._listener.say)
        if result is None:
            with self._cache.lock(step.name, key, say=self._listener.say):
                result = self._cache.read(step.name, key, say=lambda _: None)
                if result is None:
                    outcome = RAN
                    self._listener.step_started(step.name)
                    result = self._execute(step)
                    self._cache.write(step.name, key, result)
        self._lay_out(result)
        self._artifacts |= {name: found.sha256 for name, found in result.artifacts.items()}
        seconds = time.perf_counter() - began
        self.record["steps"][step.name] = {
            "outcome": outcome,
            "key": key,
            "seconds": round(seconds, 3),
            "executionSeconds": round(result.seconds, 3),
            "artifacts": {name: asdict(found) for name, found in result.artifacts.items()},
            "metrics": self._metrics(result),
            "measurements": result.measurements,
            "ingredients": ingredients,
        }
        self._write_record()
        self._listener.step_done(step.name, outcome, seconds)

    def finish(self, status: str, *, error: str = "") -> None:
        """Write the record's last state, and the report as it is shown."""
        if not self.record:  # it did not even begin
            return
        self.record |= {
            "status": status,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if error:
            self.record["error"] = error
        self._write_record()
        if status == "done":
            from ml_workflows.report.page import show_report

            artifact = self._home.objects.path(self._artifacts["report"])
            page = show_report(artifact.read_text(encoding="utf-8"), self.record)
            write_whole(self._folder() / records.REPORT, page.encode())

    def stop_worker(self) -> None:
        """End the worker's process if there is one."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _ingredients(self, step: Step) -> dict[str, Any]:
        """All that the step's result depends on; its digest is the step's key."""
        code = source_code(step.module)
        inputs = {name: self._artifacts[name] for name in step.inputs if name != WEIGHTS}
        if WEIGHTS in step.inputs:
            inputs[WEIGHTS] = self._weights.sha256 or self._weights.origin
        return {
            "step": step.name,
            "parameters": {name: getattr(self._parameters, name) for name in step.parameters},
            "inputs": inputs,
            "source": code.files,
            "packages": code.packages,
        }

    def _execute(self, step: Step) -> StepResult:
        """Execute the step in a scratch folder and move its outputs into the store."""
        began = time.perf_counter()
        if step is STEPS[0]:
            self._start_worker()
        with self._home.scratch() as out:
            request = self._request(step, out)
            if step.imports_torch:
                measurements = self._execute_apart(request)
            else:
                measurements = execute(request, self._listener.progress)
            artifacts = {}
            for name, file in step.outputs.items():
                size = (out / file).stat().st_size
                digest = self._home.objects.add(out / file)
                artifacts[name] = Artifact(sha256=digest, bytes=size, file=f"{step.name}/{file}")
        seconds = time.perf_counter() - began
        return StepResult(artifacts=artifacts, seconds=seconds, measurements=measurements)

    def _execute_apart(self, request: Request) -> dict[str, float]:
        self._start_worker()
        assert self._worker is not None
        self._worker.send(request)
        for step in STEPS:  # while the other process works, import what comes next
            if not step.imports_torch:
                importlib.import_module(step.module)
        measurements = self._worker.wait(self._listener.progress)
        self.stop_worker()
        return measurements

    def _start_worker(self) -> None:
        """When photos changed training will follow: torch is imported while they are looked at."""
        if self._worker is None:
            module = next(step.module for step in STEPS if step.imports_torch)
            self._worker = StepWorker(module)

    def _request(self, step: Step, out: Path) -> Request:
        inputs = {
            name: str(self._home.objects.path(self._artifacts[name]))
            for name in step.inputs
            if name != WEIGHTS
        }
        return Request(
            step=step.name,
            module=step.module,
            home=str(self._home.root),
            data=self._data,
            inputs=inputs,
            parameters={name: getattr(self._parameters, name) for name in step.parameters},
            out=str(out),
            weights=asdict(self._weights) if WEIGHTS in step.inputs else None,
        )

    def _list_photos(self) -> str:
        """Store the listing of the photos as they are now; its digest."""
        from ml_workflows.data.sources import open_source

        seen = 0

        def advance(count: int) -> None:
            nonlocal seen
            seen += count
            self._listener.progress("listing photos", seen, 0)

        listing = open_source(self._data).list(advance=advance)
        with self._home.scratch() as folder:
            return self._home.objects.add_bytes(listing.to_text().encode(), scratch=folder)

    def _lay_out(self, result: StepResult) -> None:
        for artifact in result.artifacts.values():
            self._home.objects.lay_out(artifact.sha256, self._folder() / artifact.file)

    def _metrics(self, result: StepResult) -> dict[str, Any]:
        """The step's metrics but for long series, which are in the artifact."""
        metrics: dict[str, Any] = {}
        for name, artifact in result.artifacts.items():
            if name.endswith(_METRICS):
                path = self._home.objects.path(artifact.sha256)
                metrics |= json.loads(path.read_text(encoding="utf-8"))
        return {name: value for name, value in metrics.items() if not isinstance(value, list)}

    def _write_record(self) -> None:
        self.record["seconds"] = round(time.perf_counter() - self._began, 3)
        records.write_record(self._home, self.record)

    def _folder(self) -> Path:
        return records.run_folder(self._home, self.record["run"])


def _demo_photos(home: Home, listener: Listener) -> Path:
    """The drawn demo photos; drawn once a version of the drawing code."""
    code = source_code("ml_workflows.data.demo")
    folder = home.demo / digest_value([code.files, code.packages])[:16]
    if not folder.is_dir():
        from ml_workflows.data.demo import draw_demo_photos

        listener.say("drawing the demo photos")
        with home.scratch() as scratch:
            draw_demo_photos(scratch / "photos")
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                (scratch / "photos").rename(folder)
            except OSError:
                if not folder.is_dir():  # another run was first
                    raise
    return folder


def _packages() -> Mapping[str, str]:
    versions: dict[str, str] = {}
    for step in STEPS:
        versions |= source_code(step.module).packages
    return dict(sorted(versions.items()))
