"""The templates, and how numbers and names are written in them.

Every name comes from somebody's file system and is hostile: all output is escaped, and what HTML
or UTF-8 cannot carry (control characters, lone surrogates) is spelled out. Filters take whatever
JSON holds and write a dash for what is missing or not finite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

DASH = "–"
NARROW_SPACE = "\u202f"
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
UNITS = {"seconds", "bytes", "px"}


@cache
def environment() -> Environment:
    """The templates of this package, with the filters below."""
    made = Environment(
        loader=PackageLoader("ml_workflows.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=spell_out,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: tuple[Callable[..., str], ...] = (
        score, percent, count, size, duration, measured, words, moment, short,
    )  # fmt: skip
    made.filters.update({each.__name__: each for each in filters})
    return made


def spell_out(value: object) -> object:
    """Text with unprintable characters written as escapes, None as a dash; the rest untouched."""
    if value is None:
        return DASH
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), value)


def number(value: object) -> float | None:
    """A finite number, or None for everything else that JSON holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def score(value: object, digits: int = 3) -> str:
    """A score of 0..1 with three digits: ``0.955``."""
    known = number(value)
    return DASH if known is None else f"{known:.{digits}f}"


def percent(value: object, digits: int = 0) -> str:
    """A share of 0..1 in percent: ``96 %``."""
    known = number(value)
    return DASH if known is None else f"{100 * known:.{digits}f}{NARROW_SPACE}%"


def count(value: object, noun: str = "", nouns: str = "") -> str:
    """A whole number with its noun: ``1 photo``, ``12 450 photos``."""
    known = number(value)
    if known is None:
        return DASH
    written = f"{round(known):,}".replace(",", NARROW_SPACE)
    return f"{written} {noun if known == 1 else nouns or noun + 's'}" if noun else written


def size(value: object) -> str:
    """Bytes with a decimal unit: ``49.6 MB``."""
    known = number(value)
    if known is None:
        return DASH
    if abs(known) < 1000:
        return count(known, "byte")
    for power, unit in enumerate(("kB", "MB", "GB"), start=1):
        if abs(known) < 999.5 * 1000**power:
            return f"{known / 1000**power:.3g} {unit}"
    return f"{known / 1e12:.4g} TB"


def duration(value: object) -> str:
    """Seconds in the unit that reads best: ``1.10 ms``, ``5.1 s``, ``3 min 20 s``."""
    known = number(value)
    if known is None:
        return DASH
    if known < 0.1:
        return f"{known * 1000:.3g} ms"
    if known < 99.95:
        return f"{known:.1f} s"
    minutes, seconds = divmod(round(known), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def measured(value: object, name: str = "") -> str:
    """Any JSON value in the unit that ends its name: ``latencySeconds``, ``totalBytes``."""
    ending = name.lower()
    if ending.endswith("seconds"):
        return duration(value)
    if ending.endswith("bytes"):
        return size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    known = number(value)
    if known is None:
        return DASH if value is None or isinstance(value, float) else str(value)
    if isinstance(value, int):
        return count(value)
    return f"{known:.4g}"


def words(name: str) -> str:
    """A key as a phrase, its unit left out: ``latencyBeforeSeconds`` is ``latency before``."""
    found = WORD.findall(name)
    if len(found) > 1 and found[-1].lower() in UNITS:
        found.pop()
    return " ".join(word if word.isupper() else word.lower() for word in found) or name


def moment(value: object) -> str:
    """An ISO 8601 time as people write it: ``23 November 2026, 04:15 UTC``."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return DASH if value is None else str(value)
    zone = " UTC" if parsed.tzinfo else ""
    parsed = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return f"{parsed.day} {parsed:%B %Y, %H:%M}{zone}"


def short(text: Any, length: int = 40) -> str:
    """A name cut in the middle, for tool tips that name many."""
    written = str(text)
    if len(written) <= length:
        return written
    return f"{written[: length // 2]}…{written[-(length // 2) :]}"
