"""What code a step runs: the transitive source of its module, and the packages it imports.

A step's key holds both, so that an edited helper three modules away or an upgraded package runs
the step again, and an edit elsewhere does not.
"""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ml_workflows.store.digests import digest_file
from ml_workflows.store.environment import python_version

PACKAGE = __name__.split(".", maxsplit=1)[0]
PACKAGE_ROOT = Path(__file__).parent.parent
#: Import names that differ from the name of the distribution that brings them.
DISTRIBUTIONS = {"PIL": "pillow"}


@dataclass(frozen=True, kw_only=True)
class SourceCode:
    """Digest of each source file by its path in the package; what it imports; the versions."""

    files: dict[str, str]
    imports: tuple[str, ...]
    packages: dict[str, str]


@lru_cache
def source_code(module: str) -> SourceCode:
    """The code that ``module`` of this package reaches by imports, wherever they stand in it."""
    files: dict[str, str] = {}
    imports: set[str] = set()
    waiting = _with_parents(module)
    while waiting:
        path = _path(waiting.pop())
        if path is None or (name := path.relative_to(PACKAGE_ROOT).as_posix()) in files:
            continue
        files[name] = digest_file(path)
        for target in _imports(path):
            top = target.partition(".")[0]
            if top == PACKAGE:
                waiting += _with_parents(target)
            elif top not in sys.stdlib_module_names:
                imports.add(DISTRIBUTIONS.get(top, top))
    for name in list(files):
        files.update(_templates(PACKAGE_ROOT / name))
    return SourceCode(
        files=dict(sorted(files.items())),
        imports=tuple(sorted(imports)),
        packages=_versions(sorted(imports)),
    )


def _path(module: str) -> Path | None:
    base = PACKAGE_ROOT.joinpath(*module.split(".")[1:])
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


@lru_cache
def _imports(path: Path) -> tuple[str, ...]:
    """Every name that the file imports; ``from a import b`` gives ``a`` and ``a.b``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, f"{path}: imports are absolute here"
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _templates(module: Path) -> dict[str, str]:
    """What lies in ``templates/page/`` beside ``page.py`` is part of what ``page.py`` does."""
    return {
        path.relative_to(PACKAGE_ROOT).as_posix(): digest_file(path)
        for path in sorted((module.parent / "templates" / module.stem).rglob("*"))
        if path.is_file()
    }


def _versions(distributions: list[str]) -> dict[str, str]:
    """Installed versions of these distributions and of all that they require."""
    from packaging.requirements import Requirement

    versions = {"python": python_version()}
    waiting = list(distributions)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in versions:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        versions[name] = distribution.version
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return dict(sorted(versions.items()))
