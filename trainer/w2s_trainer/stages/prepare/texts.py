"""Texts, each held once: what differs only in case, white space or typographic form is the same text."""

import hashlib
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from tempfile import TemporaryFile
from typing import overload

from w2s_trainer.data.normal_form import normalised

_DIGEST = 32
_BATCH = 1024
"""Texts that are read at once while all are walked through."""


class Spool(Sequence[str]):
    """Strings in a file without a name (below TMPDIR), in the order in which they came; in memory is where each ends."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 (it ends with this object)
        self._unwritten: list[bytes] = []
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        """Adds one."""
        written = text.encode()
        self._unwritten.append(written)
        self._ends.append(self._ends[-1] + len(written))
        if len(self._unwritten) >= _BATCH:
            self._write()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin, end = self._ends[index], self._ends[index + 1]
        return self._bytes(begin, end).decode()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BATCH):
            ends = self._ends[start : start + _BATCH + 1]
            batch = self._bytes(ends[0], ends[-1])
            for begin, end in pairwise(ends):
                yield batch[begin - ends[0] : end - ends[0]].decode()

    def _bytes(self, begin: int, end: int) -> bytes:
        if self._unwritten:
            self._write()
        return os.pread(self._file.fileno(), end - begin, begin)

    def _write(self) -> None:
        self._file.write(b"".join(self._unwritten))
        self._file.flush()
        self._unwritten.clear()


class Texts(Spool):
    """The distinct texts of a job, in the order in which they came, each as it was first written.

    Where models read other fields beside a text, texts are the same if these are the same, too.
    """

    def __init__(self, inputs: Sequence[str] = ()) -> None:
        """
        Args:
            inputs: the names of the fields beside the text.
        """
        super().__init__()
        self.inputs: Mapping[str, Spool] = {name: Spool() for name in inputs}
        """By name the values of each field, a value for each text."""
        self._digests = bytearray()
        self._index: dict[bytes, int] = {}

    def add(self, text: str, inputs: Sequence[str] = ()) -> int:
        """The index of a text with its inputs; that of its exact duplicate if there is one.

        Args:
            text: as it was written.
            inputs: the values beside it, in the order of the fields; none for a text that no model reads.
        """
        digest = _digest(text, inputs)
        index = self._index.setdefault(digest, len(self))
        if index == len(self):
            self.append(text)
            for values, value in zip(self.inputs.values(), inputs or [""] * len(self.inputs), strict=True):
                values.append(value)
            self._digests += digest
        return index

    def find(self, text: str, inputs: Sequence[str] = ()) -> int | None:
        """The index of a text with its inputs, or of its exact duplicate; None if there is neither."""
        return self._index.get(_digest(text, inputs))

    def digest(self, index: int) -> bytes:
        """sha256 of a text and its inputs, normalised."""
        return bytes(self._digests[_DIGEST * index : _DIGEST * (index + 1)])


def _digest(text: str, inputs: Sequence[str]) -> bytes:
    return hashlib.sha256("\0".join(map(normalised, (text, *inputs))).encode()).digest()
