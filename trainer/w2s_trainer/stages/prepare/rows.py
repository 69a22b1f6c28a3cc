"""Rows of .jsonl, .jsonl.gz, .csv and .parquet, streamed. A row that cannot be read is named; reading goes on."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.sources import DataFile

if TYPE_CHECKING:
    from w2s_trainer.store.objects import Objects

csv.field_size_limit(2**31 - 1)  # a contract in one field is longer than the 128 KiB of the default

_PARQUET_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written."""

    number: int
    """1-based: the line of JSONL; the record of CSV (without the header) and Parquet."""
    values: Mapping[str, Any]
    fields: Collection[str]
    """The names of all fields of the row, also of those that were not read."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that cannot be used, and why; the reason quotes nothing of the data."""

    number: int
    reason: str
    fields: Collection[str] = ()
    """The names of the fields, where they are known all the same."""


def read_rows(
    file: DataFile, objects: "Objects", scratch: Path, columns: Collection[str]
) -> Iterator[Row | Unusable]:
    """All rows of a file, in order.

    Args:
        columns: the fields that are wanted; a format that stores columns apart reads no others.

    Raises:
        BadData: the file is empty, or it breaks off; what came before was given already.
    """
    name = file.name.lower()
    if name.endswith(".parquet"):
        rows = _parquet(file, file.local(objects, scratch), columns)
    else:
        rows = _streamed(file, objects, name)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        yield row
    if not count:
        raise BadData("EmptyFile", f"{file.uri} has no rows.", "Give a file with rows, or leave it out.")


def _streamed(file: DataFile, objects: "Objects", name: str) -> Iterator[Row | Unusable]:
    with file.open(objects) as stream:
        if name.endswith(".csv"):
            yield from _csv(file, stream)
        elif name.endswith(".gz"):
            yield from _unzipped_jsonl(file, stream)
        else:
            yield from _jsonl(stream)


def _jsonl(stream: BinaryIO) -> Iterator[Row | Unusable]:
    for number, line in enumerate(stream, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: bytes) -> Row | Unusable:
    try:
        values = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return Unusable(number, f"invalid UTF-8 at byte {error.start + 1} of the line")
    except json.JSONDecodeError as error:
        return Unusable(number, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Unusable(number, f"not JSON that can be read ({type(error).__name__})")
    if not isinstance(values, dict):
        return Unusable(number, "the line is JSON, but not an object")
    return Row(number, values, values)


def _unzipped_jsonl(file: DataFile, stream: BinaryIO) -> Iterator[Row | Unusable]:
    number = 0
    try:
        with gzip.GzipFile(fileobj=stream) as unzipped:
            for row in _jsonl(io.BufferedReader(unzipped)):
                number = row.number
                yield row
    except EOFError as error:
        raise BadData(
            "TruncatedFile",
            f"{file.uri}: the gzip file breaks off after row {number:,}.",
            "It was not written or copied to its end: make it again.",
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadData(
            "CorruptFile",
            f"{file.uri}: not a sound gzip file after row {number:,} ({error}).",
            "Check it with `gzip -t`, and make it again.",
        ) from error


def _csv(file: DataFile, stream: BinaryIO) -> Iterator[Row | Unusable]:
    # Undecodable bytes become lone surrogates, so that one bad row does not end the file.
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    records = csv.reader(lines, strict=True)
    header = _header(file, records)
    number = 0
    while True:
        number += 1
        began = records.line_num
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise BadData(
                    "TruncatedFile",
                    f"{file.uri}: a quoted field of row {number:,} (line {began + 1:,}) is never closed.",
                    "Close the quote, or make the file again.",
                ) from error
            yield Unusable(number, f"not CSV: {error}", header)
            continue
        if not record:
            number -= 1
        elif len(record) != len(header):
            yield Unusable(number, f"{len(record)} fields where the header has {len(header)}", header)
        elif not all(map(_is_unicode, record)):
            yield Unusable(number, "invalid UTF-8", header)
        else:
            yield Row(number, dict(zip(header, record, strict=True)), header)


def _header(file: DataFile, records: Iterator[list[str]]) -> list[str]:
    try:
        header = next(records, [])
    except csv.Error as error:
        raise BadData(
            "BadHeader",
            f"{file.uri}: the first line is not a CSV header ({error}).",
            "Begin with field names.",
        ) from error
    if not all(map(_is_unicode, header)):
        raise BadData(
            "BadHeader", f"{file.uri}: the header is not UTF-8.", "Save the file as UTF-8, and try again."
        )
    return header


def _parquet(file: DataFile, path: Path, columns: Collection[str]) -> Iterator[Row | Unusable]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as parquet:
            fields = parquet.schema_arrow.names
            wanted = [name for name in dict.fromkeys(columns) if name in fields]
            if not wanted:
                for number in range(1, parquet.metadata.num_rows + 1):
                    yield Row(number, {}, fields)
                return
            for batch in parquet.iter_batches(_PARQUET_BATCH, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values, fields)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if file.size == 0:
            return
        raise BadData(
            "CorruptFile",
            f"{file.uri}: not a sound Parquet file after row {number:,} ({str(error).splitlines()[0][:120]}).",
            "It was not written or copied to its end: make it again.",
        ) from error


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
