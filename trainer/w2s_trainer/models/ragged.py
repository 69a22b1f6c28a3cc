"""Lists of token ids of many texts, end to end in one array: a tenth of what as many Python lists take. Pure."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Ragged(Sequence[list[int]]):
    """n lists of token ids; each becomes a Python list when it is asked for."""

    def __init__(self, lists: Iterable[Sequence[int] | NDArray[np.int32]]) -> None:
        """Copies the lists.

        Args:
            lists: they are walked through once, and need not be there at once.
        """
        flat, lengths = array("i"), array("q")
        for ids in lists:
            flat.frombytes(np.asarray(ids, dtype=np.intc).tobytes())
            lengths.append(len(ids))
        self.lengths: NDArray[np.int64] = np.frombuffer(lengths, dtype=np.int64)
        """int64[n], tokens of each."""
        self._flat = np.frombuffer(flat, dtype=np.intc)
        self._ends = np.cumsum(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, place: int) -> list[int]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[int]]: ...
    def __getitem__(self, place: int | slice) -> list[int] | list[list[int]]:
        if isinstance(place, slice):
            return [self.row(row).tolist() for row in range(*place.indices(len(self)))]
        return list(self.row(place).tolist())

    def __iter__(self) -> Iterator[list[int]]:
        return (self.row(place).tolist() for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same lists."""
        return isinstance(other, Sequence) and len(other) == len(self) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def row(self, place: int) -> NDArray[np.int32]:
        """The token ids of one text, int32[t], not copied."""
        end = int(self._ends[place])
        return self._flat[end - int(self.lengths[place]) : end]


def lengths_of(lists: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Counts the tokens of each of n texts, int64[n]."""
    return (
        lists.lengths if isinstance(lists, Ragged) else np.array([len(ids) for ids in lists], dtype=np.int64)
    )
