"""Run the fast tests on the oldest and the newest Python (3.11 to 3.13) that this machine has.

The interpreter of ``.venv`` is left out: it has run all tests. Each other one gets a ``.venv-3.x``
with what the lock says. Looks in PATH, and among the versions that pyenv keeps.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")


def main() -> int:
    """Test on the others; the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", required=True)
    uv = parser.parse_args().uv
    used = version(str(ROOT / ".venv/bin/python"))
    found = {v: path for v in SUPPORTED if (path := find(v))}
    wanted = sorted({min(found, key=SUPPORTED.index), max(found, key=SUPPORTED.index)} - {used})
    print(f"Pythons found: {', '.join(found)}; .venv has {used}; fast tests on: {wanted or 'none'}")
    for each in wanted:
        python = environment(uv, each, found[each])
        code = subprocess.run(
            [python, "-m", "pytest", "-m", "not slow"], cwd=ROOT, check=False
        ).returncode
        if code:
            return code
    return 0


def environment(uv: str, minor: str, interpreter: str) -> str:
    """The interpreter of ``.venv-3.x``, made if it is not there or older than the lock."""
    folder = ROOT / f".venv-{minor}"
    complete, lock = folder / "complete", ROOT / "locks/development.txt"
    if not complete.exists() or complete.stat().st_mtime < lock.stat().st_mtime:
        shutil.rmtree(folder, ignore_errors=True)
        quiet = {**os.environ, "VIRTUAL_ENV": str(folder)}
        run = [uv, "venv", "--quiet", "--python", interpreter, str(folder)]
        subprocess.run(run, check=True, cwd=ROOT)
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", str(lock)]
        subprocess.run(sync, check=True, env=quiet, cwd=ROOT)
        project = [uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*project, "--editable", "."], check=True, env=quiet, cwd=ROOT)
        complete.touch()
    return str(folder / "bin/python")


def find(minor: str) -> str | None:
    """An interpreter of that version that starts."""
    pattern = re.compile(rf"{re.escape(minor)}\.\d+$")
    shims = [Path(part) for part in os.environ["PATH"].split(os.pathsep) if part.endswith("shims")]
    kept = [
        path / "bin/python"
        for shim in shims
        for path in sorted((shim.parent / "versions").glob(f"{minor}.*"), reverse=True)
        if pattern.match(path.name)
    ]
    on_path = shutil.which(f"python{minor}")
    candidates = [*([on_path] if on_path else []), *map(str, kept)]
    return next((each for each in candidates if version(each) == minor), None)


def version(interpreter: str) -> str | None:
    """``3.x`` of an interpreter with venv, or None if it does not start."""
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
