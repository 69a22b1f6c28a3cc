"""Rows of .jsonl and .jsonl.gz."""

import gzip
import io
import json
import zlib
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, cast

from w2s_trainer.data.content import checked_stream
from w2s_trainer.data.keys import kind_of
from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.errors import BadData

_MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""


class _Repeating(dict[str, Any]):
    """An object of JSON that gives names more than once."""

    repeated: Collection[str] = ()


def read_json_lines(uri: str, stream: BinaryIO) -> Iterator[Row | Unusable]:
    """The rows of a .jsonl file, each with the number of its line.

    Raises:
        BadData: it is not UTF-8, or one JSON document over several lines.
    """
    first = True
    for number, line in enumerate(checked_stream(uri, stream), 1):
        line = line.removeprefix(_MARK)  # files that were joined have one in the middle
        if not line.strip():
            continue
        if first:
            _check_not_one_document(uri, line.strip())
            first = False
        yield _row(number, line)


def read_gzipped_json_lines(uri: str, stream: BinaryIO) -> Iterator[Row | Unusable]:
    """The rows of a .jsonl.gz file.

    Raises:
        BadData: as `read_json_lines`; or the file breaks off, or is no gzip.
    """
    number = 0
    try:
        with gzip.GzipFile(fileobj=checked_stream(uri, stream, expected=b"\x1f\x8b")) as unzipped:
            for row in read_json_lines(uri, cast(BinaryIO, io.BufferedReader(unzipped))):
                number = row.number
                yield row
    except EOFError as error:
        raise BadData(
            "TruncatedFile",
            f"{uri}: the gzip file breaks off after row {number:,}.",
            "It was not written or copied to its end: make it again.",
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadData(
            "CorruptFile",
            f"{uri}: not a sound gzip file after row {number:,} ({error}).",
            "Check it with `gzip -t`, and make it again.",
        ) from error


def _check_not_one_document(uri: str, line: bytes) -> None:
    """Raises BadData if the first line begins a JSON document of many lines, or is an array of rows."""
    if line == b"{":
        raise BadData(
            "NotJSONLines",
            f"{uri} is not JSON lines: an object of JSON goes over several lines.",
            "Write each object on a line of its own: `jq -c . FILE`.",
        )
    if line.startswith(b"[") and _is_array_of_rows(line):
        raise BadData(
            "NotJSONLines",
            f"{uri} is not JSON lines but one JSON document, an array.",
            "Write each element on a line of its own: `jq -c '.[]' FILE`.",
        )


def _is_array_of_rows(line: bytes) -> bool:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return any(isinstance(value, dict) for value in values)


def _row(number: int, line: bytes) -> Row | Unusable:
    try:
        values = json.loads(line.decode(), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return Unusable(number, f"invalid UTF-8 at byte {error.start + 1} of the line")
    except json.JSONDecodeError as error:
        return Unusable(number, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Unusable(number, f"not JSON that can be read ({type(error).__name__})")
    if not isinstance(values, dict):
        return Unusable(number, f"the line is JSON, but not an object: it is {kind_of(values)}")
    repeated = values.repeated if isinstance(values, _Repeating) else ()
    return Row(number, values, values, repeated=repeated)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    names = [name for name, _ in pairs]
    repeating = _Repeating(values)
    repeating.repeated = frozenset(name for name in values if names.count(name) > 1)
    return repeating
