"""Columns that grow by a row at a time and take little more room than what is in them."""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_trainer.stages.columns import Strings

_BATCH = 4096
NOTHING = -1
"""The code of a row without a value."""


class Values:
    """Strings of which many are the same, and rows without one: each is held once, and a code for each row."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        """The code of each value, by first appearance."""
        self._values: list[str] = []
        self._codes = array("q")

    def append(self, value: str | None) -> None:
        """Adds a row."""
        if value is None:
            self._codes.append(NOTHING)
            return
        code = self.known.setdefault(value, len(self._values))
        if code == len(self._values):
            self._values.append(value)
        self._codes.append(code)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, row: int) -> str | None:
        code = self._codes[row]
        return None if code == NOTHING else self._values[code]

    def __iter__(self) -> Iterator[str | None]:
        return (self[row] for row in range(len(self)))

    @property
    def codes(self) -> NDArray[np.int64]:
        """The code of each row, int64[n]; NOTHING where it has no value."""
        return np.array(self._codes, dtype=np.int64)


def joint_codes(columns: Sequence[Values]) -> NDArray[np.int64]:
    """Codes several columns one after the other, int64[N]: equal values have equal codes; NOTHING for none."""
    numbers: dict[str, int] = {}
    codes = [np.empty(0, dtype=np.int64)]
    for column in columns:
        joint = [numbers.setdefault(value, len(numbers)) for value in column.known]
        codes.append(np.array([*joint, NOTHING], dtype=np.int64)[column.codes])
    return np.concatenate(codes)


class Ids:
    """Strings of which no two are the same."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []
        self._last: list[str] = []

    def append(self, name: str) -> None:
        """Adds a row."""
        self._last.append(name)
        if len(self._last) >= _BATCH:
            self._close()

    def column(self) -> pa.ChunkedArray:
        """All of them."""
        self._close()
        return pa.chunked_array(self._chunks, pa.string())

    def strings(self) -> Strings:
        """All of them, as a sequence."""
        return Strings.of(self.column())

    def _close(self) -> None:
        if self._last:
            self._chunks.append(pa.array(self._last, pa.string()))
            self._last.clear()


class Places(Sequence[tuple[str, int]]):
    """(URI of the file, row) of each row."""

    def __init__(self) -> None:
        self._files = Values()
        self._rows = array("q")

    def append(self, uri: str, row: int) -> None:
        """Adds a row."""
        self._files.append(uri)
        self._rows.append(row)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> tuple[str, int]:  # type: ignore[override]
        return str(self._files[row]), self._rows[row]
