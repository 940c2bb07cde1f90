"""The local engine as a user meets it: whole runs of the command on a few drawn photos."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workflows.steps.table import STEPS
from ml_workflows.store.home import Home
from tests.conftest import FAST, TIMEOUT_SECONDS, Command, command

pytestmark = pytest.mark.slow

ALL = [step.name for step in STEPS]
RUN = ("run", "--quiet", "--json", *FAST)


@pytest.fixture
def photos(demo_share: Path, tmp_path: Path) -> Path:
    """Photos of one's own, to change."""
    return Path(shutil.copytree(demo_share, tmp_path / "photos"))


def test_a_second_run_takes_every_step_from_the_cache_and_gives_the_same_artifacts(
    ml_workflows: Command, demo_share: Path
) -> None:
    first = ml_workflows(*RUN, "--data", demo_share)
    second = ml_workflows(*RUN, "--data", demo_share)
    assert list(first.outcomes().values()) == ["ran"] * 4
    assert list(second.outcomes().values()) == ["cached"] * 4
    assert second.digests() == first.digests()


def test_a_run_from_the_cache_imports_no_torch_and_starts_no_process(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    ml_workflows(*RUN, "--data", demo_share)
    watch = (
        "import sys\n"
        "events = []\n"
        "sys.addaudithook(lambda name, _: events.append(name))\n"
        "from ml_workflows.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    code = end.code\n"
        "started = {'subprocess.Popen', 'os.fork', 'os.posix_spawn', 'os.exec'} & set(events)\n"
        "print([code, 'torch' in sys.modules, sorted(started)])\n"
    )
    words = ["run", "--quiet", *FAST, "--data", str(demo_share)]
    done = subprocess.run(
        [sys.executable, "-c", watch, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[0, False, []]"


def test_a_change_runs_again_what_depends_on_it_and_nothing_else(
    ml_workflows: Command, photos: Path
) -> None:
    first = ml_workflows(*RUN, "--data", photos)
    more = ml_workflows(*RUN, "--data", photos, "--epochs", "3")
    assert list(more.outcomes().values()) == ["cached", "ran", "ran", "ran"]
    photo = next(photos.glob("rain/*.jpg"))
    photo.write_bytes(photo.read_bytes() + b"!")
    changed = ml_workflows(*RUN, "--data", photos)
    keys = [
        {name: step["key"] for name, step in answer.record["steps"].items()}
        for answer in (first, changed)
    ]
    moved = {name: "cached" if keys[0][name] == keys[1][name] else "ran" for name in ALL}
    assert changed.outcomes() == moved
    assert moved["prepare_data"] == "ran"
    extracted = [
        changed.record["steps"][step]["measurements"]["featuresExtracted"]
        for step in ("train_model", "evaluate_model")
    ]
    assert sum(extracted) == 1
    why = ml_workflows("why")
    assert f"photo rain/{photo.name}: changed" in why.out
    assert "parameter epochs: 3 → 2" in ml_workflows("why", "latest", "train_model").out


def test_the_same_photos_in_another_folder_are_the_same(
    ml_workflows: Command, photos: Path, tmp_path: Path
) -> None:
    ml_workflows(*RUN, "--data", photos)
    photos.rename(tmp_path / "elsewhere")
    moved = ml_workflows(*RUN, "--data", tmp_path / "elsewhere")
    assert list(moved.outcomes().values()) == ["cached"] * 4


def test_all_artifacts_are_the_same_bits_whatever_folder_cores_hash_seed_and_time_zone(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    one = ml_workflows(
        *RUN, "--data", demo_share, PYTHONHASHSEED="1", TZ="UTC", OMP_NUM_THREADS="2"
    )
    folder = tmp_path / "somewhere else"
    copied = shutil.copytree(demo_share, folder / "photos")
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, cores[:1])
        environment = {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "OMP_NUM_THREADS": "1"}
        home = str(folder / "home")
        other = ml_workflows(*RUN, "--data", copied, "--home", home, LC_ALL="C", **environment)
    finally:
        os.sched_setaffinity(0, cores)
    assert list(other.outcomes().values()) == ["ran"] * 4
    assert len(other.digests()) == sum(len(step.outputs) for step in STEPS)
    assert other.digests() == one.digests()


def test_a_damaged_object_is_noticed_said_and_computed_anew(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    first = ml_workflows(*RUN, "--data", demo_share)
    stored = Home(tmp_path / ".ml-workflows").objects.path(first.digests()["eval_metrics"])
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-1] + b"X")
    words = [word for word in RUN if word != "--quiet"]
    again = ml_workflows(*words, "--data", demo_share)
    assert "evaluate_model: the stored eval_metrics is damaged or gone" in again.err
    assert list(again.outcomes().values()) == ["cached", "cached", "ran", "cached"]
    assert again.digests() == first.digests()
    assert "damaged or gone" in ml_workflows("why", "latest", "evaluate_model").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("step", ["prepare_data", "train_model", "evaluate_model"])
def test_a_stopped_run_says_how_to_go_on_and_the_next_one_does(
    ml_workflows: Command, demo_share: Path, tmp_path: Path, number: int, step: str
) -> None:
    words = ["run", *FAST, "--data", str(demo_share)]
    process = subprocess.Popen(
        command(*words), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(step):
            break
    process.send_signal(number)
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 128 + number
    assert "Finished steps are kept; to go on: ml-workflows run" in said
    assert "Traceback" not in said
    assert processes_of_session(process.pid) == []
    (interrupted,) = json.loads(ml_workflows("runs", "--json").out)
    assert interrupted["status"] == "interrupted"
    resumed = ml_workflows(*RUN, "--data", demo_share)
    cached = [name for name, outcome in resumed.outcomes().items() if outcome == "cached"]
    assert cached == list(interrupted["steps"])
    assert ALL[: ALL.index(step)] == cached[: ALL.index(step)]
    scratch = tmp_path / ".ml-workflows/scratch"
    assert list(scratch.iterdir()) == []


def test_a_killed_run_leaves_no_process_behind_and_the_next_run_ends_well(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    words = ["run", *FAST, "--data", str(demo_share)]
    process = subprocess.Popen(
        command(*words), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("train_model"):
            break
    process.kill()
    process.communicate()
    for _ in range(200):
        if not processes_of_session(process.pid):
            break
        time.sleep(0.1)
    assert processes_of_session(process.pid) == []
    assert "unfinished" in ml_workflows("runs").out
    resumed = ml_workflows(*RUN, "--data", demo_share)
    assert list(resumed.outcomes().values()) == ["cached", "ran", "ran", "ran"]


def test_of_two_runs_at_once_one_computes_and_the_other_waits(
    ml_workflows: Command, demo_share: Path, tmp_path: Path
) -> None:
    words = ["run", "--json", *FAST, "--data", str(demo_share)]
    both = [
        subprocess.Popen(
            command(*words), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=TIMEOUT_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    records = [json.loads(out) for out, _ in answers]
    for step in ALL:
        assert sorted(record["steps"][step]["outcome"] for record in records) == ["cached", "ran"]
    assert any("another run computes the same; waiting" in said for _, said in answers)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB in memory; needs the right to mount."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_unfinished_stays(
    ml_workflows: Command, demo_share: Path, tiny_disk: Path
) -> None:
    full = ml_workflows("run", *FAST, "--data", demo_share, "--home", tiny_disk / "home")
    assert full.code == 2, full.err
    assert "cannot be written" in full.err
    assert "Traceback" not in full.err
    assert list(tiny_disk.rglob(".unfinished-*")) == []


def test_a_read_only_home_is_said(ml_workflows: Command, demo_share: Path, tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    refused = ml_workflows("run", *FAST, "--data", demo_share, "--home", tiny_disk / "home")
    assert refused.code == 2, refused.err
    assert "Read-only file system" in refused.err
    assert "--home" in refused.err
    assert "Traceback" not in refused.err


def test_a_home_that_is_a_file_is_said(ml_workflows: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = ml_workflows("run", *FAST, "--home", tmp_path / "file")
    assert refused.code == 2, refused.err
    assert "cannot be written" in refused.err


@pytest.mark.real_data
def test_real_photos_reach_the_stated_score_with_the_shipped_onnx(
    ml_workflows: Command, real_data: Path
) -> None:
    weights = next((real_data / "weights").glob("*.pth"))
    run = ml_workflows(
        "run", "--quiet", "--json", "--data", real_data / "weather4", "--weights", weights
    )
    metrics = run.record["steps"]["evaluate_model"]["metrics"]
    assert metrics["weightedF1Score"] >= 0.90
    assert metrics["agreement"]["preprocessingLabelFlips"] == 0
    assert metrics["agreement"]["torchToOnnxLabelFlips"] == 0
    assert run.record["steps"]["prepare_data"]["metrics"]["quarantineSize"] == 0


def processes_of_session(session: int) -> list[str]:
    """Command lines of the live processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((stat.parent / "cmdline").read_text())
        except OSError:
            continue
    return found
