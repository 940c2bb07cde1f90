"""Write ``locks/``: hashed requirements for development and for each component's image.

    python scripts/lock.py            write them, keeping the pins that still fit
    python scripts/lock.py --upgrade  write what the newest versions give
    python scripts/lock.py --check    fail where a lock no longer fits what it was made from

A component's requirements are what its code imports, so they are not listed twice; its versions
are those of the development lock. No file names a registry's address.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ml_workflows.steps.table import STEPS
from ml_workflows.store.source_code import source_code

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
DEVELOPMENT = LOCKS / "development.txt"
UV = LOCKS / "uv.txt"
CONSTRAINED = ["--constraints", str(DEVELOPMENT)]
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def main() -> int:
    """Write the locks, or check them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("--uv", default="uv")
    arguments = parser.parse_args()
    if arguments.check:
        problems = check(arguments.uv)
        print("\n".join(problems) or "the locks fit what they were made from")
        return 1 if problems else 0
    upgrade = ["--upgrade"] if arguments.upgrade else []
    project = [str(ROOT / "pyproject.toml"), "--all-extras"]
    compile_lock(arguments.uv, [*project, *upgrade], DEVELOPMENT)
    compile_names(arguments.uv, ["uv"], UV, upgrade)
    for step in STEPS:
        names = list(source_code(step.module).imports)
        compile_names(arguments.uv, names, LOCKS / f"{step.name}.txt", CONSTRAINED)
    return 0


def check(uv: str) -> list[str]:
    """What has drifted: compiling again with the present pins must change nothing."""
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, DEVELOPMENT.name)
        again.write_text(DEVELOPMENT.read_text())
        compile_lock(uv, [str(ROOT / "pyproject.toml"), "--all-extras"], again)
        if again.read_text() != DEVELOPMENT.read_text():
            problems.append("locks/development.txt does not fit pyproject.toml; run `make lock`")
    development = pins(DEVELOPMENT)
    for step in STEPS:
        path = LOCKS / f"{step.name}.txt"
        component = pins(path)
        wrong = sorted(name for name, _ in component - development)
        missing = sorted(set(source_code(step.module).imports) - {name for name, _ in component})
        if wrong:
            problems.append(f"{path.name} disagrees with development.txt: {', '.join(wrong)}")
        if missing:
            problems.append(f"{path.name} lacks what the step imports: {', '.join(missing)}")
    return problems


def compile_names(uv: str, names: list[str], target: Path, options: list[str]) -> None:
    """The lock of some packages by name."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "names.in")
        wanted.write_text("\n".join(names) + "\n")
        compile_lock(uv, [str(wanted), *options], target)


def compile_lock(uv: str, what: list[str], target: Path) -> None:
    """Resolve for all platforms and Python versions, with hashes, without addresses."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].split(",")[0].removeprefix(">=")
    command = [uv, "pip", "compile", *what, "--universal", "--generate-hashes", "--quiet"]
    command += ["--python-version", oldest, "--no-annotate"]
    command += ["--custom-compile-command", "make lock", "--output-file", str(target)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def pins(lock: Path) -> set[tuple[str, str]]:
    """Name and version of each package in a lock; a name may have several, by platform."""
    return set(_PIN.findall(lock.read_text()))


if __name__ == "__main__":
    sys.exit(main())
