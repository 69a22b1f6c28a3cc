"""Rows of .csv: commas, UTF-8, a header."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import BinaryIO

from w2s_trainer.data.content import checked_stream
from w2s_trainer.data.keys import has_lone_surrogate
from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.stray_quotes import ColumnValues, reads_as_rows
from w2s_trainer.errors import BadData

_LONGEST_FIELD = 2**26
csv.field_size_limit(_LONGEST_FIELD)  # a contract in one field is longer than the 128 KiB of the default
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_csv(uri: str, stream: BinaryIO, columns: Collection[str]) -> Iterator[Row | Unusable]:
    """Yields the rows of a CSV file.

    A record that is broken is counted by its lines, since a quote that is never closed makes one record of many
    rows; reading continues with the line after it.

    Args:
        uri: the file, for messages.
        stream: its bytes.
        columns: the fields that are wanted; each must be in the header once.

    Raises:
        BadData: the header cannot be used, its columns are not divided by commas, or a quote is open at the end of
            the file.
    """
    # Undecodable bytes become lone surrogates, so that one bad row does not end the file.
    decoded = io.TextIOWrapper(
        checked_stream(uri, stream), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    lines = _Remembering(decoded)
    records = csv.reader(lines, strict=True)
    header = _header(uri, records, columns)
    known = ColumnValues(len(header))
    number = 0
    while True:
        began = records.line_num + 1
        lines.read.clear()
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            if "unexpected end" in str(error):
                raise BadData(
                    "TruncatedFile",
                    f"{uri}: a quoted field of row {number:,} (line {began:,}) is never closed.",
                    "Close the quote, or make the file again.",
                ) from error
            yield Unusable(number, f"not CSV: {error}", header, began, len(lines.read))
            continue
        if not record:
            continue
        number += 1
        if reason := _fault(record, header, lines.read, known):
            yield Unusable(number, reason, header, began, len(lines.read))
        else:
            yield Row(number, dict(zip(header, record, strict=True)), header, began, len(lines.read))


class _Remembering(Iterator[str]):
    """Lines, with those that were read since `read` was cleared."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.read: list[str] = []

    def __next__(self) -> str:
        line = next(self._lines)
        self.read.append(line)
        return line


def _header(uri: str, records: Iterator[list[str]], columns: Collection[str]) -> list[str]:
    try:
        header = next(records, [])
    except csv.Error as error:
        raise BadData(
            "BadHeader", f"{uri}: the first line is not a CSV header ({error}).", "Begin with field names."
        ) from error
    if any(map(has_lone_surrogate, header)):
        raise BadData(
            "BadHeader", f"{uri}: the header is not UTF-8.", "Save the file as UTF-8, and try again."
        )
    _check_separator(uri, header, columns)
    check_given_once(uri, header, columns)
    return header


def _check_separator(uri: str, header: Sequence[str], columns: Collection[str]) -> None:
    if len(header) != 1 or header[0] in columns:
        return
    for mark, name in _OTHER_SEPARATORS.items():
        if mark in header[0]:
            raise BadData(
                "BadHeader",
                f"{uri}: the columns are divided by {name}; only commas are read.",
                "Export it as CSV with commas, or as JSON lines.",
            )


def check_given_once(uri: str, header: Sequence[str], columns: Collection[str]) -> None:
    """Raises BadData if a wanted field is the name of several columns: which of them is meant?"""
    for name in columns:
        if (count := list(header).count(name)) > 1:
            raise BadData(
                "BadHeader",
                f"{uri}: {count} columns are called `{name}`.",
                "Give each a name of its own, or leave the others out.",
            )


def _fault(record: list[str], header: list[str], lines: list[str], columns: ColumnValues) -> str | None:
    if len(record) != len(header):
        return f"{len(record)} fields where the header has {len(header)}"
    if any(map(has_lone_surrogate, record)):
        return "invalid UTF-8"
    if [field.removeprefix("\ufeff") for field in record] == header:
        return "the header once more, as in files that were joined"
    if len(lines) > 1 and reads_as_rows(record, lines, columns):
        return "a quoted field goes over lines that read as rows of their own: a quote is missing, or one too many"
    columns.note(record, len(lines))
    return None
