"""Make the README's pictures from real output: a run on a terminal, and its report in Chromium.

python scripts/pictures.py      needs chromium, and writes docs/pictures/
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs/pictures"
COLUMNS = 84
REPORT_PX = (1200, 1500)
_ERASE_LINE = "\x1b[2K"
_FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
text {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: {char_height}px; white-space: pre; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}<g>{matrix}</g></g>
</svg>
"""  # noqa: E501


def main() -> None:
    """One run of the demo, seen twice."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shown = terminal([str(Path(sys.executable).parent / "ml-workflows"), "run"], Path(folder))
        console = Console(width=COLUMNS, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
        console.print(Text("$ ml-workflows run", style="bold"))
        console.print(Text.from_ansi(shown))
        svg = console.export_svg(title="ml-workflows", code_format=_FRAME, unique_id="run")
        (PICTURES / "terminal.svg").write_text(svg, encoding="utf-8")
        (report,) = Path(folder).glob(".ml-workflows/runs/*/report.html")
        screenshot(report, PICTURES / "report.png")


def terminal(command: list[str], folder: Path) -> str:
    """What stays on a terminal after the command; bars that were erased are left out."""
    output = bytearray()

    def read(handle: int) -> bytes:
        piece = os.read(handle, 65536)
        output.extend(piece)
        return piece

    here = Path.cwd()
    os.chdir(folder)
    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    try:
        pty.spawn(command, read)
    finally:
        os.chdir(here)
    lines = [line.rpartition(_ERASE_LINE)[2].strip("\r") for line in output.decode().split("\n")]
    return "\n".join(line for line in lines if "━" not in line).strip()


def screenshot(page: Path, target: Path) -> None:
    """The top of a page in headless Chromium."""
    browser = shutil.which("chromium") or sys.exit("chromium is not installed")
    width, height = REPORT_PX
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
        options += [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command = [browser, *options, f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
