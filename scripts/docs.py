"""Write what docs say from what code says; ``--check`` fails where they have drifted apart.

Between ``<!-- parameters -->`` and ``<!-- end -->`` in README.md stands the table of parameters.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml_workflows import parameters

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = between(old, "parameters", parameter_table())
    if check and old != new:
        print("README.md has drifted from parameters.py; run `make docs`")
        return 1
    if not check:
        path.write_text(new, encoding="utf-8")
    return 0


def between(text: str, name: str, content: str) -> str:
    """``text`` with what stands between the marks of ``name`` replaced."""
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not start or not end:
        raise ValueError(f"the marks <!-- {name} --> and <!-- end --> are not there")
    return f"{head}{start}{content}{end}{tail}"


def parameter_table() -> str:
    """The parameters as a Markdown table."""
    lines = ["| parameter | default | range | what it is |", "|---|---|---|---|"]
    for parameter in parameters.table():
        limits = parameters.limits(parameter)
        scope = " ".join(part for part in (limits.range_text(), limits.unit) if part)
        default = f"`{parameter.default}`"
        if limits.demo_default is not None:
            default += f" (demo: `{limits.demo_default}`)"
        scope = scope.replace("|", "\\|")
        lines.append(f"| `{parameter.name}` | {default} | {scope} | {limits.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
