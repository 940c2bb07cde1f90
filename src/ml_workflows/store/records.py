"""Run records: ``runs/RUN/run.json``, what a run was told, did and gave."""

from __future__ import annotations

import difflib
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_workflows.errors import HomeFault
from ml_workflows.store.digests import write_whole
from ml_workflows.store.home import Home

FORMAT = 1
LATEST = "latest"
RECORD = "run.json"
REPORT = "report.html"

Record = dict[str, Any]


def new_run(now: datetime) -> str:
    """An id that sorts by time and is not met twice."""
    thousandths = now.microsecond // 1000
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{thousandths:03d}{secrets.token_hex(1)}"


def write_record(home: Home, record: Record) -> None:
    """Write the record whole; a reader sees the one before or this one."""
    text = json.dumps(record, indent=2, allow_nan=False)
    write_whole(run_folder(home, record["run"]) / RECORD, text.encode() + b"\n")


def run_folder(home: Home, run: str) -> Path:
    """Where a run's record, report and artifacts lie."""
    return home.runs / run


def all_records(home: Home) -> list[Record]:
    """The records of all runs, oldest first; what cannot be read is left out."""
    records = []
    for path in sorted(home.runs.glob(f"*/{RECORD}")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if _is_record(record, run=path.parent.name):
            records.append(record)
    return records


def find_record(home: Home, run: str, *, done: bool = False) -> Record:
    """The record of a run, by its id, an unambiguous part of it, or ``latest``.

    With ``done`` only runs that came to their end are looked at.

    Raises:
        HomeFault: there is no such run, or several.
    """
    records = [r for r in all_records(home) if not done or r["status"] == "done"]
    if not records:
        raise HomeFault(
            f"there are no {'finished ' if done else ''}runs in {home.root}",
            remedy="Start one with `ml-workflows run`.",
        )
    if run == LATEST:
        return records[-1]
    found = [record for record in records if run in record["run"]]
    exact = [record for record in found if record["run"] == run]
    if len(exact or found) == 1:
        return (exact or found)[0]
    known = [record["run"] for record in found or records]
    near = difflib.get_close_matches(run, known, n=3, cutoff=0.0)
    raise HomeFault(
        f"there is {'more than one' if found else 'no'} run {run!r}",
        seen=", ".join(near),
        remedy="`ml-workflows runs` lists them; `latest` names the newest.",
    )


def _is_record(record: object, *, run: str) -> bool:
    """Whether this is a whole record, and of the run in whose folder it lies."""
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("run") != run:
        return False
    kinds = {"status": str, "started": str, "parameters": dict, "steps": dict}
    return all(isinstance(record.get(name), kind) for name, kind in kinds.items())


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in the repository around ``folder``, if any."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.exists():
            try:
                return _head(git)
            except (OSError, ValueError):
                return None
    return None


def _head(git: Path) -> str | None:
    """The commit in ``HEAD``; in a linked worktree ``.git`` is a file that names the folder."""
    if git.is_file():
        git = git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir: ").strip()
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    name = head.removeprefix("ref: ")
    if name == head:
        return head
    shared = git / "commondir"
    common = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
    if (common / name).is_file():
        return (common / name).read_text(encoding="utf-8").strip()
    for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
        commit, _, reference = line.partition(" ")
        if reference == name:
            return commit
    return None
