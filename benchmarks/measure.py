"""Measure what issue and docs promise, and write ``docs/benchmarks.md``.

    make bench DATA=PHOTOS WEIGHTS=FILE

All are whole processes, timed from outside; comparisons run in turn in one session, so that a
slow machine slows both. Without photos and weights only the demo is measured, and it says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from processes import Finished, run

from ml_workflows.store.environment import cores, cpu_name

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs/benchmarks.md"
BIN = Path(sys.executable).parent
MANY_COPIES = 10
ADDED_PHOTOS = 10
SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what, the figure to reach, the figure measured, whether it holds."""

    what: str
    target: str
    measured: str
    met: bool


class Bench:
    """Runs ``ml-workflows`` in scratch homes on some photos."""

    def __init__(self, scratch: Path, data: Path | None, weights: Path | None) -> None:
        self.scratch = scratch
        self.data = data
        self.weights = weights

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A home that does not exist yet, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder, "home")

    def pipeline(self, home: Path, *flags: str, data: Path | None = None) -> Finished:
        """One run; its output is the record as JSON."""
        command = [str(BIN / "ml-workflows"), "run", "--home", str(home), "--quiet", "--json"]
        photos = data or self.data
        if photos and self.weights:
            command += ["--data", str(photos), "--weights", str(self.weights)]
        return run([*command, *flags], folder=self.scratch)

    def cold(self, *flags: str, data: Path | None = None) -> Finished:
        """One run in a new home."""
        with self.home() as home:
            return self.pipeline(home, *flags, data=data)

    def baseline(self, data: Path) -> Finished:
        """The usual torchvision loop at 10 epochs."""
        script = str(ROOT / "benchmarks/baseline.py")
        return run([sys.executable, script, str(data), str(self.weights), "10"], folder=ROOT)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if (given.data is None) != (given.weights is None):
        parser.error("give both --data and --weights, or neither")
    with tempfile.TemporaryDirectory() as folder:
        paths = [path and path.absolute() for path in (given.data, given.weights)]
        bench = Bench(Path(folder), *paths)
        rows = list(demo_rows(Bench(Path(folder), None, None), given.repeats))
        if given.data:
            for measure in (against_baseline, growth, again, seeds):
                for row in measure(bench, given.repeats):
                    rows.append(row)
                    print(row, flush=True)
    write(rows, given.data)


def demo_rows(bench: Bench, repeats: int) -> Iterator[Row]:
    """What needs no photos: the demo, and the start of the command."""
    demo = [bench.cold() for _ in range(repeats)]
    seconds = median(demo)
    f1 = min(score(record(each)) for each in demo)
    yield Row(
        what="the demo, cold, as `make run` runs it after set-up",
        target="under 60 s, weighted F1 >= 0.90",
        measured=f"{seconds:.1f} s, F1 {f1:.3f}",
        met=seconds < 60 and f1 >= 0.90,
    )
    command = [str(BIN / "ml-workflows"), "--help"]
    seconds = median([run(command, folder=ROOT) for _ in range(5 * repeats)])
    yield Row(
        what="`ml-workflows --help`",
        target="under 0.4 s",
        measured=f"{seconds:.2f} s",
        met=seconds < 0.4,
    )


def against_baseline(bench: Bench, repeats: int) -> Iterator[Row]:
    """Cold against the usual loop, in turn; and ten times as many epochs."""
    assert bench.data
    pairs = [(bench.baseline(bench.data), bench.cold()) for _ in range(repeats)]
    ratio = statistics.median(slow.seconds / fast.seconds for slow, fast in pairs)
    usual, ours = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
    yield Row(
        what="whole run, cold, 10 epochs, against the usual torchvision loop",
        target="at least 8x faster",
        measured=f"{ratio:.1f}x faster ({ours:.1f} s against {usual:.1f} s)",
        met=ratio >= 8,
    )
    pairs = [(bench.cold("--epochs", "100"), bench.cold()) for _ in range(repeats)]
    ratio = statistics.median(long.seconds / short.seconds for long, short in pairs)
    epochs = record(pairs[0][0])["steps"]["train_model"]["metrics"]["epochsRun"]
    yield Row(
        what="100 epochs instead of 10",
        target="under 1.3x the time",
        measured=f"{ratio:.2f}x (early stopping ended it after {epochs} epochs)",
        met=ratio < 1.3,
    )
    never = ("--early-stopping-patience", "0")
    pairs = [(bench.cold("--epochs", "100", *never), bench.cold()) for _ in range(repeats)]
    ratio = statistics.median(long.seconds / short.seconds for long, short in pairs)
    yield Row(
        what="100 epochs instead of 10, without early stopping",
        target="under 1.3x the time",
        measured=f"{ratio:.2f}x",
        met=ratio < 1.3,
    )


def growth(bench: Bench, repeats: int) -> Iterator[Row]:
    """What one more photo costs in time and memory, from runs at two sizes."""
    assert bench.data
    count = len(photos_below(bench.data))
    many = copies(bench.data, bench.scratch / "many", times=MANY_COPIES)
    few_runs = [bench.cold() for _ in range(repeats)]
    many_runs = [bench.cold(data=many) for _ in range(repeats)]
    more = count * (MANY_COPIES - 1)
    ours = (median(many_runs) - median(few_runs)) / more * 1000
    quarter = share(bench.data, bench.scratch / "quarter", every=4)
    less = count - len(photos_below(quarter))
    usual = (bench.baseline(bench.data).seconds - bench.baseline(quarter).seconds) / less * 1000
    yield Row(
        what=f"one more photo, prepare to evaluate ({count} and {count * MANY_COPIES} photos)",
        target="at most 4 ms, at least 20x less than the usual loop",
        measured=f"{ours:.1f} ms, {usual / ours:.0f}x less ({usual:.0f} ms)",
        met=ours <= 4 and usual / ours >= 20,
    )
    small, large = (max(each.peak_bytes for each in runs) for runs in (few_runs, many_runs))
    a_photo = (large - small) / more
    yield Row(
        what=f"peak memory of all processes ({count} and {count * MANY_COPIES} photos)",
        target="under 1.5 GB, at most 20 kB a photo more",
        measured=f"{small / 1e9:.2f} and {large / 1e9:.2f} GB, {a_photo / 1000:.1f} kB a photo",
        met=large < 1.5e9 and a_photo <= 20_000,
    )
    shutil.rmtree(many)


def again(bench: Bench, repeats: int) -> Iterator[Row]:
    """What a second run does: nothing changed, another seed, other ratios, more photos."""
    assert bench.data
    photos = share(bench.data, bench.scratch / "growing", every=1)
    with bench.home() as home:
        bench.pipeline(home, data=photos)
        second = [bench.pipeline(home, data=photos) for _ in range(3 * repeats)]
        outcomes = [step["outcome"] for step in record(second[0])["steps"].values()]
        command = [sys.executable, "-X", "importtime", "-m", "ml_workflows", "run"]
        flags = ["--home", str(home), "--data", str(photos), "--weights", str(bench.weights)]
        torch = "import torch" if imports(run_errors([*command, *flags]), "torch") else "no torch"
        yield Row(
            what="second run, nothing changed",
            target="under 1.5 s, 0 steps run, torch not imported",
            measured=f"{median(second):.2f} s, {outcomes.count('ran')} steps run, {torch}",
            met=median(second) < 1.5 and "ran" not in outcomes and torch == "no torch",
        )
        seed = bench.pipeline(home, "--random-seed", "7", data=photos)
        ratios = ("--train-ratio", "0.7", "--val-ratio", "0.2", "--test-ratio", "0.1")
        other = bench.pipeline(home, *ratios, data=photos)
        decoded = [measurement(each, "photosDecoded", "train_model") for each in (seed, other)]
        yield Row(
            what="another seed, other ratios: photos decoded for features",
            target="0",
            measured=f"{decoded[0]} and {decoded[1]}",
            met=decoded == [0, 0],
        )
        copies(bench.data, photos, times=1, most=ADDED_PHOTOS, mark=b"added")
        grown = bench.pipeline(home, data=photos)
        steps = ("train_model", "evaluate_model")
        extracted = sum(measurement(grown, "featuresExtracted", step) for step in steps)
        yield Row(
            what=f"{ADDED_PHOTOS} photos added: feature extractions",
            target=f"exactly {ADDED_PHOTOS}",
            measured=str(extracted),
            met=extracted == ADDED_PHOTOS,
        )


def seeds(bench: Bench, _: int) -> Iterator[Row]:
    """How good the classifier is."""
    with bench.home() as home:
        runs = [bench.pipeline(home, "--random-seed", str(seed)) for seed in SEEDS]
    scores = [score(record(each)) for each in runs]
    mean = statistics.mean(scores)
    yield Row(
        what=f"weighted F1, head only, mean of seeds {SEEDS[0]} to {SEEDS[-1]}",
        target=">= 0.94",
        measured=f"{mean:.3f} ({min(scores):.3f} to {max(scores):.3f})",
        met=mean >= 0.94,
    )


def median(runs: list[Finished]) -> float:
    """Median seconds."""
    return statistics.median(each.seconds for each in runs)


def record(finished: Finished) -> dict[str, Any]:
    """The run record that the command printed."""
    found: dict[str, Any] = json.loads(finished.output)
    return found


def score(run_record: dict[str, Any]) -> float:
    """Weighted F1 of a run."""
    return float(run_record["steps"]["evaluate_model"]["metrics"]["weightedF1Score"])


def measurement(finished: Finished, name: str, step: str) -> int:
    """One of a step's measurements; 0 when the step came from the cache."""
    done = record(finished)["steps"][step]
    return int(done["measurements"][name]) if done["outcome"] == "ran" else 0


def run_errors(command: list[str]) -> str:
    """What a command says on standard error."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def imports(import_times: str, module: str) -> bool:
    """Whether ``-X importtime`` names the module."""
    return any(line.rpartition("|")[2].strip() == module for line in import_times.splitlines())


def photos_below(folder: Path) -> list[Path]:
    """All files, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def share(source: Path, target: Path, *, every: int) -> Path:
    """A folder with every n-th photo."""
    for path in photos_below(source)[::every]:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target


def copies(
    source: Path, target: Path, *, times: int, most: int | None = None, mark: bytes = b"copy"
) -> Path:
    """The photos several times, each copy with other bytes after the end of the image."""
    for number in range(times):
        for path in photos_below(source)[:most]:
            name = f"{mark.decode()}-{number}-{path.name}"
            place = target / path.relative_to(source).with_name(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes() + mark + str(number).encode())
    return target


def write(rows: list[Row], data: Path | None) -> None:
    """The page with the table and the machine."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "pillow"))
    photos = f"{data.name}, {len(photos_below(data))} photos" if data else "the demo only"
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`benchmarks/measure.py`); run it on your machine with",
        "`make bench DATA=photos WEIGHTS=weights.pth`. Whole processes, medians, comparisons in",
        "turn. The usual loop is `benchmarks/baseline.py`.",
        "",
        f"Machine: {cpu_name()}, {cores()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}.",
        f"Photos: {photos}.",
        "",
        "| what | figure to reach | measured | |",
        "|---|---|---|---|",
        *(
            f"| {row.what} | {row.target} | {row.measured} | {'met' if row.met else '**missed**'} |"
            for row in rows
        ),
    ]
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(DOCS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
