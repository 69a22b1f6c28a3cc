"""Rows of a file, from its bytes."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.rows import read_rows
from w2s_trainer.data.sources import DataFile

COLUMNS = ("text", "label", "group", "id")


def read(path: Path, content: bytes, columns: tuple[str, ...] = COLUMNS) -> list[Row | Unusable]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    objects: Any = None  # local files need no store
    return list(read_rows(DataFile(f"file://{path}", path.name, len(content)), objects, path.parent, columns))


def texts(rows: list[Row | Unusable]) -> list[Any]:
    return [row.values["text"] for row in rows if isinstance(row, Row)]


def unusable(rows: list[Row | Unusable]) -> list[Unusable]:
    return [row for row in rows if isinstance(row, Unusable)]


def parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()
