"""What changed between two runs: the reason why a step ran."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ml_workflows.store.home import Home
from ml_workflows.store.records import Record

LISTING = "listing"
_MOST_PHOTOS = 20
_DIGITS = 12

_KINDS = {"parameters": "parameter", "source": "source file", "packages": "package"}


def explain(home: Home, record: Record, base: Record | None) -> dict[str, dict[str, Any]]:
    """For each step of ``record``: its outcome, why, and what changed since ``base``."""
    explained = {}
    for name, done in record["steps"].items():
        before = base["steps"].get(name) if base else None
        if before is None:
            because, changes = _without_base(done, name), []
        else:
            changes = _changes(home, before["ingredients"], done["ingredients"])
            because = _because(done, changes)
        explained[name] = {"outcome": done["outcome"], "because": because, "changes": changes}
    return explained


def _without_base(done: Mapping[str, Any], step: str) -> str:
    if done["outcome"] == "ran":
        return "no earlier run to compare with has this step"
    return f"its key {done['key'][:_DIGITS]} was known from another run"


def _because(done: Mapping[str, Any], changes: list[str]) -> str:
    if done["outcome"] == "ran":
        if changes:
            return "something it depends on changed"
        return "nothing it depends on changed, but its stored result was damaged or gone"
    if changes:
        return "something changed, but the same combination was computed before"
    return "nothing it depends on changed"


def _changes(home: Home, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = []
    for part, kind in _KINDS.items():
        changes += _differences(kind, before[part], now[part], digests=part == "source")
    for name in sorted({*before["inputs"], *now["inputs"]}):
        was, is_now = before["inputs"].get(name), now["inputs"].get(name)
        if was != is_now and name == LISTING:
            changes += _photo_changes(home, str(was), str(is_now))
        elif was != is_now:
            changes.append(f"input {name}: {str(was)[:_DIGITS]} → {str(is_now)[:_DIGITS]}")
    return changes


def _differences(
    kind: str, before: Mapping[str, Any], now: Mapping[str, Any], *, digests: bool
) -> list[str]:
    lines = []
    for name in sorted({*before, *now}):
        if name not in before:
            lines.append(f"{kind} {name}: new" + ("" if digests else f", {now[name]}"))
        elif name not in now:
            lines.append(f"{kind} {name}: gone")
        elif before[name] != now[name]:
            detail = "changed" if digests else f"{before[name]} → {now[name]}"
            lines.append(f"{kind} {name}: {detail}")
    return lines


def _photo_changes(home: Home, before: str, now: str) -> list[str]:
    """Photos added, removed and changed between two stored listings."""
    if not home.objects.holds(before) or not home.objects.holds(now):
        return [f"input {LISTING}: {before[:_DIGITS]} → {now[:_DIGITS]}"]
    was, is_now = _photos(home, before), _photos(home, now)
    lines = [f"photo {key}: added" for key in is_now.keys() - was.keys()]
    lines += [f"photo {key}: removed" for key in was.keys() - is_now.keys()]
    lines += [f"photo {key}: changed" for key in was.keys() & is_now if was[key] != is_now[key]]
    if len(lines) > _MOST_PHOTOS:
        more = len(lines) - _MOST_PHOTOS
        return [*sorted(lines)[:_MOST_PHOTOS], f"... and {more} more photos"]
    return sorted(lines) or [f"input {LISTING}: files that are no photos changed"]


def _photos(home: Home, digest: str) -> dict[str, str]:
    text = home.objects.path(digest).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["key"]: row["sha256"] for row in rows if "key" in row}
