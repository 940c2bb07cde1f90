"""Runs are found by id, by part of it or as the latest; what cannot be read is left out."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ml_workflows.errors import HomeFault
from ml_workflows.store.home import Home
from ml_workflows.store.records import (
    FORMAT,
    Record,
    all_records,
    find_record,
    git_commit,
    new_run,
    write_record,
)

RUNS = ("20260101-120000-aaaa", "20260102-120000-bbbb", "20260102-130000-abcd")
COMMIT = "5a" * 20


def record(run: str, **more: object) -> Record:
    whole = {"status": "running", "started": "2026-01-01", "parameters": {}, "steps": {}}
    return {"format": FORMAT, "run": run, **whole, **more}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    for run in (RUNS[1], RUNS[2], RUNS[0]):
        write_record(home, record(run))
    return home


@pytest.fixture
def git(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    return folder


def test_a_record_is_read_as_it_was_written(home: Home) -> None:
    written = record("20260103-000000-cccc", parameters={"data": "Wetter ☃"}, seconds=1.5)
    write_record(home, written)
    assert find_record(home, written["run"]) == written


def test_a_record_that_is_written_again_is_replaced(home: Home) -> None:
    write_record(home, record(RUNS[0], status="done"))
    assert find_record(home, RUNS[0])["status"] == "done"
    assert len(all_records(home)) == 3


def test_records_come_oldest_first(home: Home) -> None:
    assert tuple(found["run"] for found in all_records(home)) == RUNS


def test_latest_is_the_newest_run(home: Home) -> None:
    assert find_record(home, "latest")["run"] == RUNS[2]


def test_the_latest_that_is_done_may_be_older(home: Home) -> None:
    for run, status in zip(RUNS, ("done", "failed", "running"), strict=True):
        write_record(home, record(run, status=status))
    assert find_record(home, "latest", done=True)["run"] == RUNS[0]
    with pytest.raises(HomeFault, match="no run"):
        find_record(home, RUNS[1], done=True)


@pytest.mark.parametrize(
    ("part", "run"), [("aaaa", RUNS[0]), ("bbb", RUNS[1]), ("20260101", RUNS[0])]
)
def test_a_part_that_only_one_run_has_is_enough(home: Home, part: str, run: str) -> None:
    assert find_record(home, part)["run"] == run


def test_a_whole_id_is_found_although_another_holds_it_as_a_part(home: Home) -> None:
    write_record(home, record(RUNS[0] + "b"))
    assert find_record(home, RUNS[0])["run"] == RUNS[0]


def test_a_part_that_several_runs_have_is_refused_with_those_runs(home: Home) -> None:
    with pytest.raises(HomeFault, match="more than one run '20260102'") as caught:
        find_record(home, "20260102")
    assert RUNS[1] in str(caught.value)
    assert RUNS[2] in str(caught.value)
    assert RUNS[0] not in str(caught.value)


def test_an_unknown_run_is_refused_with_the_nearest_first(home: Home) -> None:
    with pytest.raises(HomeFault, match="there is no run '20260102-120000-bbbc'") as caught:
        find_record(home, "20260102-120000-bbbc")
    assert f"(seen: {RUNS[1]}," in str(caught.value)


def test_an_empty_home_is_refused_with_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(HomeFault, match=r"no runs.*`ml-workflows run`"):
        find_record(Home(tmp_path), "latest")


@pytest.mark.parametrize(
    "content", [b"", b'{"format": 1, "run": ', b"\xff", b"[]", b"{}", b'{"format": 99}', b"null"]
)
def test_a_record_that_cannot_be_read_is_left_out(home: Home, content: bytes) -> None:
    (home.runs / "20269999-000000-ffff").mkdir()
    (home.runs / "20269999-000000-ffff" / "run.json").write_bytes(content)
    assert tuple(found["run"] for found in all_records(home)) == RUNS
    assert find_record(home, "latest")["run"] == RUNS[2]


def test_a_run_without_a_record_yet_is_left_out(home: Home) -> None:
    (home.runs / "20269999-000000-ffff").mkdir()
    assert len(all_records(home)) == 3


def test_ids_sort_by_time_whatever_the_zone() -> None:
    early = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    late = (early + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-11)))
    assert new_run(early) < new_run(late)
    assert new_run(late).startswith("20260101-120001-")


def test_the_commit_of_a_loose_branch_is_found_from_a_folder_inside(git: Path) -> None:
    (git / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n", "utf-8")
    inside = git.parent / "src" / "deep"
    inside.mkdir(parents=True)
    assert git_commit(git.parent) == git_commit(inside) == COMMIT


def test_the_commit_of_a_branch_with_a_slash_is_found(git: Path) -> None:
    (git / "HEAD").write_text("ref: refs/heads/fix/snow\n", "utf-8")
    (git / "refs" / "heads" / "fix").mkdir()
    (git / "refs" / "heads" / "fix" / "snow").write_text(f"{COMMIT}\n", "utf-8")
    assert git_commit(git.parent) == COMMIT


def test_the_commit_of_a_packed_branch_is_found(git: Path) -> None:
    (git / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    lines = [
        "# pack-refs with: peeled fully-peeled sorted",
        f"{'1' * 40} refs/heads/main2",
        f"{COMMIT} refs/heads/main",
        f"{'2' * 40} refs/tags/v1",
        f"^{'3' * 40}",
    ]
    (git / "packed-refs").write_text("\n".join(lines) + "\n", "utf-8")
    assert git_commit(git.parent) == COMMIT


def test_a_loose_branch_is_newer_than_the_packed_one(git: Path) -> None:
    (git / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    (git / "packed-refs").write_text(f"{'1' * 40} refs/heads/main\n", "utf-8")
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n", "utf-8")
    assert git_commit(git.parent) == COMMIT


def test_a_detached_head_is_its_commit(git: Path) -> None:
    (git / "HEAD").write_text(f"{COMMIT}\n", "utf-8")
    assert git_commit(git.parent) == COMMIT


def test_a_repository_without_commits_has_none(git: Path) -> None:
    (git / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    assert git_commit(git.parent) is None


def test_a_broken_repository_has_no_commit(git: Path) -> None:
    assert git_commit(git.parent) is None


def test_a_linked_worktree_has_the_commit_that_is_checked_out_in_it(
    git: Path, tmp_path: Path
) -> None:
    own = git / "worktrees" / "other"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/other\n", "utf-8")
    (own / "commondir").write_text("../..\n", "utf-8")
    (git / "refs" / "heads" / "other").write_text(f"{COMMIT}\n", "utf-8")
    worktree = git.parent / "inside"
    worktree.mkdir()
    (worktree / ".git").write_text(f"gitdir: {own}\n", "utf-8")
    assert git_commit(worktree) == COMMIT


@pytest.mark.parametrize("content", ['{"format": 1}', '{"format": 1, "run": "x"}', "[" * 100_000])
def test_a_record_that_is_not_whole_does_not_hide_the_others(home: Home, content: str) -> None:
    (home.runs / "20260104-000000-dddd").mkdir()
    (home.runs / "20260104-000000-dddd" / "run.json").write_text(content, "utf-8")
    assert find_record(home, "latest")["run"] == RUNS[2]
