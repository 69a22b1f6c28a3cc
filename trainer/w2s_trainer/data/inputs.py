"""Texts of rows beside other fields of the same rows, for tasks whose models read several (`task.generation.prompt`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Inputs(Sequence[str]):
    """n texts, each with the other fields that a model reads of its row. To whoever knows of no fields they are texts."""

    def __init__(self, texts: Sequence[str], fields: Mapping[str, Sequence[str]]) -> None:
        """
        Args:
            texts: n of them.
            fields: by name, n values of each.
        """
        self.texts = texts
        self.fields = dict(fields)

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Inputs": ...
    def __getitem__(self, place: int | slice) -> "str | Inputs":
        if isinstance(place, slice):
            return Inputs(self.texts[place], {name: values[place] for name, values in self.fields.items()})
        return self.texts[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def take(self, rows: NDArray[np.int64]) -> "Inputs":
        """Those at some places, int64[m], in that order."""
        return Inputs(
            _at(self.texts, rows), {name: _at(values, rows) for name, values in self.fields.items()}
        )


def fields_beside(texts: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """By name the fields beside n texts; none where they are texts alone."""
    return texts.fields if isinstance(texts, Inputs) else {}


def sources_of(texts: Sequence[str]) -> Iterator[str]:
    """All that there is to read about each of n texts: the text, and the values of its fields, a line each."""
    return ("\n".join(values) for values in zip(texts, *fields_beside(texts).values(), strict=True))


def shown_with_fields(texts: Sequence[str], place: int, last: str = "") -> str:
    """The text at a place for people: after its fields, each with its name, but for one that is to come last."""
    named = {name: f"{name}: {values[place]}" for name, values in fields_beside(texts).items()}
    behind = [named.pop(last)] if last in named else []
    return "\n".join([*named.values(), texts[place], *behind])


def _at(column: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    taken: Sequence[str] = (
        column.take(rows) if hasattr(column, "take") else [column[row] for row in rows.tolist()]
    )
    return taken
