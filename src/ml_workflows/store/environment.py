"""The environment fingerprint: what the bits of a result depend on besides its inputs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast


@lru_cache
def cpu_features() -> tuple[str, ...]:
    """The vector extensions of this CPU, as NumPy found them."""
    import numpy

    config = cast(Any, numpy.show_config(mode="dicts"))
    extensions = config.get("SIMD Extensions", {})
    return (platform.machine(), *extensions.get("baseline", ()), *extensions.get("found", ()))


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(packages: Mapping[str, str]) -> dict[str, object]:
    """For the run record: interpreter, platform, CPU, cores and the versions of ``packages``."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpuFeatures": list(cpu_features()),
        "cores": cores(),
        "packages": dict(packages),
    }


def python_version() -> str:
    """The interpreter's version without its patch level."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor()
