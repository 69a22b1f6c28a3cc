"""Recognises files that are something else than their name says, by their first bytes."""

import io
from typing import BinaryIO, cast

from w2s_trainer.errors import BadData

_AS_UTF8 = "Save it as UTF-8 (in PowerShell `Out-File -Encoding utf8`), and try again."
_SIGNATURES: tuple[tuple[bytes, str, str, str], ...] = (
    (b"\xff\xfe\0\0", "NotUTF8", "UTF-32 text, not UTF-8", _AS_UTF8),
    (b"\0\0\xfe\xff", "NotUTF8", "UTF-32 text, not UTF-8", _AS_UTF8),
    (b"\xff\xfe", "NotUTF8", "UTF-16 text, not UTF-8", _AS_UTF8),
    (b"\xfe\xff", "NotUTF8", "UTF-16 text, not UTF-8", _AS_UTF8),
    (b"\x1f\x8b", "CorruptFile", "a gzip file", "JSON lines in gzip are read from .jsonl.gz: rename or unpack it."),
    (b"PAR1", "CorruptFile", "a Parquet file", "Rename it to .parquet."),
    (b"PK\x03\x04", "CorruptFile", "a zip archive, perhaps of a spreadsheet", "Export it as CSV or JSON lines."),
    (b"version https://git-lfs", "CorruptFile", "a pointer of Git LFS, not the data", "Run `git lfs pull`, and copy again."),
)  # fmt: skip
_LONGEST = max(len(signature) for signature, *_ in _SIGNATURES)


def checked_stream(uri: str, stream: BinaryIO, expected: bytes = b"") -> BinaryIO:
    """The same bytes, once it is known that they are not those of another kind of file.

    Args:
        uri: the file, for the message.
        stream: at its beginning.
        expected: the signature of the kind that they should be; nothing for text in UTF-8.

    Raises:
        BadData: they begin as another kind of file does.
    """
    buffered = (
        stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    )
    start = buffered.peek(_LONGEST)[:_LONGEST]
    for signature, reason, what, hint in _SIGNATURES:
        if start.startswith(signature) and signature != expected:
            raise BadData(reason, f"{uri} is {what}.", hint)
    if not expected and b"\0" in start[:4]:
        raise BadData("NotUTF8", f"{uri} is not UTF-8 text; it may be UTF-16.", _AS_UTF8)
    return cast(BinaryIO, buffered)
