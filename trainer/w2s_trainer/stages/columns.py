"""Columns of strings: what is asked for becomes Python strings, the rest stays Arrow or in its file."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_trainer.data.inputs import Inputs

_BATCH = 1024
"""Strings that are made at once while a column is walked through."""
_KEPT = 4
"""Row groups of a file that are held at once."""


class Chunks(Protocol):
    """Where the strings of a column are, piece by piece."""

    starts: NDArray[np.int64]
    """int64[C + 1]: the place in the column at which each piece begins, and the end of the last."""

    def read(self, number: int) -> pa.Array:
        """The strings of a piece, `starts[number + 1] - starts[number]` of them."""


class ArrowChunks:
    """A column that is in memory."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column
        self.starts = _starts([len(chunk) for chunk in column.chunks])

    def read(self, number: int) -> pa.Array:
        """See Chunks."""
        return self._column.chunk(number)


class ParquetChunks:
    """A column of a Parquet file, of which a few row groups are in memory at a time."""

    def __init__(self, path: Path, name: str) -> None:
        """
        Args:
            path: the file; it must stay.
            name: the column.
        """
        self._file = pq.ParquetFile(path)
        self._name = name
        groups = range(self._file.num_row_groups)
        self.starts = _starts([self._file.metadata.row_group(number).num_rows for number in groups])
        self.read = lru_cache(_KEPT)(self._read)

    def _read(self, number: int) -> pa.Array:
        column = self._file.read_row_group(number, columns=[self._name], use_threads=False)[self._name]
        return _whole(column)


class Strings(Sequence[str]):
    """Strings of a column, or of some of its rows: a sequence that holds none of them as Python strings."""

    def __init__(self, chunks: Chunks, rows: NDArray[np.int64] | None = None) -> None:
        """
        Args:
            chunks: where they are.
            rows: places in the column, int64[n], in the order of this sequence; None: all, as they are.
        """
        self._chunks = chunks
        self._rows = rows

    @classmethod
    def of(cls, strings: "Sequence[str] | pa.ChunkedArray") -> "Strings":
        """Those of an Arrow column, or of any sequence, which is copied unless it is one of these."""
        if isinstance(strings, Strings):
            return strings
        if not isinstance(strings, pa.ChunkedArray):
            strings = pa.chunked_array([pa.array(strings, pa.string())])
        return cls(ArrowChunks(strings))

    @classmethod
    def of_file(cls, path: Path, name: str) -> "Strings":
        """Those of a column of a Parquet file, which must stay where it is."""
        return cls(ParquetChunks(path, name))

    def __len__(self) -> int:
        return int(self._chunks.starts[-1]) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Strings": ...
    def __getitem__(self, place: int | slice) -> "str | Strings":
        if isinstance(place, slice):
            return self.take(np.arange(*place.indices(len(self)), dtype=np.int64))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        row = int(place) % len(self)
        row = row if self._rows is None else int(self._rows[row])
        number = int(np.searchsorted(self._chunks.starts, row, side="right")) - 1
        return str(self._chunks.read(number)[row - int(self._chunks.starts[number])].as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BATCH):
            yield from self._arrow(start, start + _BATCH).to_pylist()

    def take(self, rows: NDArray[np.int64]) -> "Strings":
        """Those at some places of this sequence, int64[n], in that order; nothing is read yet."""
        return Strings(self._chunks, np.asarray(rows if self._rows is None else self._rows[rows], np.int64))

    def arrow(self) -> pa.Array:
        """All of them as one array: for columns of short strings."""
        return self._arrow(0, len(self))

    def _arrow(self, start: int, end: int) -> pa.Array:
        """Reads the texts at the places from start to end as an array of the type `string`."""
        end = min(end, len(self))
        rows = np.arange(start, end, dtype=np.int64) if self._rows is None else self._rows[start:end]
        numbers = np.searchsorted(self._chunks.starts, rows, side="right") - 1
        pieces = [
            self._chunks.read(int(number)).take(
                pa.array(rows[numbers == number] - self._chunks.starts[number])
            )
            for number in np.unique(numbers)
        ]
        if not pieces:
            return pa.array([], pa.string())
        joined = pa.concat_arrays(pieces)
        if (np.diff(numbers) < 0).any():
            back = np.empty(len(rows), dtype=np.int64)
            back[np.argsort(numbers, kind="stable")] = np.arange(len(rows))
            joined = joined.take(pa.array(back))
        return joined


def taken(texts: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    """Takes the texts at some places, int64[n], in that order; of a column nothing is read yet."""
    return texts.take(rows) if isinstance(texts, Strings | Inputs) else [texts[int(row)] for row in rows]


def names_of(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """A column of few different strings, as str[n]."""
    coded = _whole(column).dictionary_encode()
    return np.asarray(np.array(coded.dictionary.to_pylist(), dtype=np.str_)[coded.indices.to_numpy()])


def values_of(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """The rows of some columns as Python values, of which a batch is there at a time."""
    for batch in table.select(names).to_batches(_BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
