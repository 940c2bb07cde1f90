"""Parquet tables on disk: splits, quarantine, predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def write_table(table: Any, path: Path) -> None:
    """Write a ``pyarrow.Table``; same table and same pyarrow, same bytes."""
    pq.write_table(table, path, compression="zstd")


def read_table(path: Path) -> Any:
    """The ``pyarrow.Table`` in a file; ``pq.read_table`` would import all of pyarrow.dataset."""
    with pq.ParquetFile(path) as file:
        return file.read()
