"""Rows of .jsonl, .jsonl.gz, .csv and .parquet, streamed. A row that cannot be read is named; reading continues."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from w2s_trainer.data.csv_records import read_csv
from w2s_trainer.data.json_lines import read_gzipped_json_lines, read_json_lines
from w2s_trainer.data.parquet_rows import read_parquet
from w2s_trainer.data.partitions import partition_columns
from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.sources import DataFile

if TYPE_CHECKING:
    from w2s_trainer.store.objects import Objects


def read_rows(
    file: DataFile, objects: "Objects", scratch: Path, columns: Collection[str]
) -> Iterator[Row | Unusable]:
    """All rows of a file, in order; possibly none.

    A column that stands in the path of the file (docs/data.md) is in each row that does not have it itself.

    Args:
        file: the file.
        objects: the store, for files that are there.
        scratch: a directory for files that must be downloaded whole.
        columns: the fields that are wanted; a format that stores columns apart reads no others.

    Raises:
        BadData: the file cannot be read, or it breaks off; what came before was given already.
    """
    partitions = partition_columns(file.uri)
    for row in _read(file, objects, scratch, columns):
        if not partitions:
            yield row
        elif isinstance(row, Row):
            yield replace(row, values={**partitions, **row.values}, fields=[*row.fields, *partitions])
        else:
            yield replace(row, fields=[*row.fields, *partitions])


def _read(
    file: DataFile, objects: "Objects", scratch: Path, columns: Collection[str]
) -> Iterator[Row | Unusable]:
    name = file.name.lower()
    if name.endswith(".parquet"):
        yield from read_parquet(file.uri, file.local(objects, scratch), columns)
        return
    with file.open(objects) as stream:
        if name.endswith(".csv"):
            yield from read_csv(file.uri, stream, columns)
        elif name.endswith(".gz"):
            yield from read_gzipped_json_lines(file.uri, stream)
        else:
            yield from read_json_lines(file.uri, stream)
