"""The step cache gives back what was written, or nothing and says so."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ml_workflows.store.digests import digest_value
from ml_workflows.store.home import Home
from ml_workflows.store.step_cache import Artifact, StepCache, StepResult

STEP = "train_model"
KEY = digest_value("this key")
OTHER_KEY = digest_value("another key")
HOLD_THE_LOCK_AND_DIE = """
import os, sys
from pathlib import Path
from ml_workflows.store.home import Home
from ml_workflows.store.step_cache import StepCache
lock = StepCache(Home(Path(sys.argv[1]))).lock(sys.argv[2], sys.argv[3], say=print)
lock.__enter__()
os._exit(0)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def cache(home: Home) -> StepCache:
    return StepCache(home)


@pytest.fixture
def result(home: Home) -> StepResult:
    with home.scratch() as scratch:
        digest = home.objects.add_bytes(b"a model", scratch=scratch)
    model = Artifact(sha256=digest, bytes=7, file="train_model/model.onnx")
    return StepResult(artifacts={"model": model}, seconds=1.25, measurements={"photos": 3.0})


@pytest.fixture
def entry(home: Home, cache: StepCache, result: StepResult) -> Path:
    cache.write(STEP, KEY, result)
    [path] = (path for path in home.steps.rglob("*") if path.is_file())
    return path


def read(cache: StepCache) -> tuple[StepResult | None, list[str]]:
    said: list[str] = []
    return cache.read(STEP, KEY, say=said.append), said


@pytest.mark.usefixtures("entry")
def test_what_was_written_is_read(cache: StepCache, result: StepResult) -> None:
    assert read(cache) == (result, [])


def test_a_key_that_was_never_written_is_a_quiet_miss(cache: StepCache) -> None:
    assert read(cache) == (None, [])


@pytest.mark.usefixtures("entry")
def test_other_keys_and_other_steps_are_misses(cache: StepCache) -> None:
    assert cache.read(STEP, OTHER_KEY, say=pytest.fail) is None
    assert cache.read("evaluate_model", KEY, say=pytest.fail) is None


def test_a_flipped_bit_anywhere_never_gives_another_result(
    cache: StepCache, entry: Path, result: StepResult
) -> None:
    whole = entry.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 7
        entry.write_bytes(damaged)
        found, said = read(cache)
        assert found == result or (found is None and len(said) == 1), bytes(damaged)


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.99])
def test_a_truncated_entry_is_a_miss_and_told(cache: StepCache, entry: Path, share: float) -> None:
    whole = entry.read_bytes()
    entry.write_bytes(whole[: int(len(whole) * share)])
    found, said = read(cache)
    assert found is None
    assert said == ["train_model: its cache entry is damaged; the step runs again"]


@pytest.mark.parametrize("content", [b"null", b"[]", b"{}", b"3", b'"text"', b"\xff\xfe", b"\0"])
def test_an_entry_that_is_something_else_is_a_miss_and_told(
    cache: StepCache, entry: Path, content: bytes
) -> None:
    entry.write_bytes(content)
    found, said = read(cache)
    assert found is None
    assert "damaged" in said[0]


def test_an_entry_of_another_format_version_is_a_miss_and_told(
    cache: StepCache, entry: Path
) -> None:
    content = json.loads(entry.read_text("utf-8"))
    del content["check"]
    content["format"] += 1
    entry.write_text(json.dumps({**content, "check": digest_value(content)}), "utf-8")
    found, said = read(cache)
    assert found is None
    assert "of another version" in said[0]


@pytest.mark.parametrize(("step", "key"), [(STEP, OTHER_KEY), ("evaluate_model", KEY)])
def test_an_entry_copied_to_another_steps_or_keys_place_is_a_miss_and_told(
    home: Home, cache: StepCache, entry: Path, step: str, key: str
) -> None:
    place = home.steps / step / entry.name.replace(KEY, key)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(entry.read_bytes())
    said: list[str] = []
    assert cache.read(step, key, say=said.append) is None
    assert len(said) == 1
    assert "damaged" in said[0]


def test_an_entry_whose_result_was_edited_is_a_miss_and_told(cache: StepCache, entry: Path) -> None:
    entry.write_text(entry.read_text("utf-8").replace("1.25", "9.25"), "utf-8")
    found, said = read(cache)
    assert found is None
    assert len(said) == 1


@pytest.mark.usefixtures("entry")
def test_a_damaged_artifact_is_a_miss_and_told_by_name(
    home: Home, cache: StepCache, result: StepResult
) -> None:
    path = home.objects.path(result.artifacts["model"].sha256)
    path.chmod(0o644)
    path.write_bytes(b"a modeL")
    found, said = read(cache)
    assert found is None
    assert said == ["train_model: the stored model is damaged or gone; the step runs again"]


@pytest.mark.usefixtures("entry")
def test_a_deleted_artifact_is_a_miss_and_told(
    home: Home, cache: StepCache, result: StepResult
) -> None:
    home.objects.path(result.artifacts["model"].sha256).unlink()
    found, said = read(cache)
    assert found is None
    assert len(said) == 1


def test_a_damaged_entry_is_mended_by_writing_it_again(
    cache: StepCache, entry: Path, result: StepResult
) -> None:
    entry.write_bytes(b"damaged")
    cache.write(STEP, KEY, result)
    assert read(cache) == (result, [])


def test_whoever_wants_a_key_that_is_being_computed_waits_and_says_so(cache: StepCache) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def say(text: str) -> None:
        order.append(text)
        waiting.set()

    def compute_too() -> None:
        with cache.lock(STEP, KEY, say=say):
            order.append("second")

    second = threading.Thread(target=compute_too)
    with cache.lock(STEP, KEY, say=pytest.fail):
        second.start()
        assert waiting.wait(timeout=30)
        order.append("first")
    second.join(timeout=30)
    assert order == [
        "train_model: another run computes the same; waiting for it",
        "first",
        "second",
    ]


def test_other_keys_are_computed_at_the_same_time(cache: StepCache) -> None:
    with (
        cache.lock(STEP, KEY, say=pytest.fail),
        cache.lock(STEP, OTHER_KEY, say=pytest.fail),
        cache.lock("evaluate_model", KEY, say=pytest.fail),
    ):
        pass


def test_a_process_that_died_holds_no_lock(home: Home, cache: StepCache) -> None:
    command = [sys.executable, "-c", HOLD_THE_LOCK_AND_DIE, str(home.root), STEP, KEY]
    subprocess.run(command, check=True, timeout=60)
    with cache.lock(STEP, KEY, say=pytest.fail):
        pass
