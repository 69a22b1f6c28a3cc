"""Answers of experts to `w2s ask`: labels of texts of the pool, each of which is found again in the pool."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from w2s_api.spec.data import Fields
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.data.sources import DataFile
from w2s_trainer.data.spreadsheet import unguarded
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.columns import Places, Values
from w2s_trainer.stages.prepare.usable import Example, Quarantined, SourceReader

if TYPE_CHECKING:
    from w2s_trainer.stages.prepare.corpus import Corpus
    from w2s_trainer.store.objects import Objects

LONGEST_CELL = 32_000
"""Characters; spreadsheet programs cut texts that are about so long (32,767 in most)."""
SHOWN = 3
"""Rows that a refusal names."""


@dataclass
class Asked:
    """Labelled rows (n of them), in the order of the files."""

    uri: str = ""
    row: list[int] = field(default_factory=list)
    """Places in the pool."""
    label: Values = field(default_factory=Values)
    place: Places = field(default_factory=Places)
    unanswered: int = 0
    """Rows whose label is empty."""
    known: int = 0
    """Labels of texts that are no longer in the pool, because they are in gold or in the test."""

    def __len__(self) -> int:
        return len(self.row)


def read_asked(
    uri: str, files: list[DataFile], fields: Fields, corpus: "Corpus", objects: "Objects", scratch: Path
) -> Asked:
    """Reads the answers, once all texts of the job are known. They add no text to it.

    A row is known by its id where the job has ids, else by its text. The pool's own text, group and id hold, so that
    a spreadsheet program cannot change a text.

    Args:
        uri: the source.
        files: its objects.
        fields: how the columns are called.
        corpus: gold, test and pool; rows that cannot be used are added to its quarantine.
        objects: the store.
        scratch: a directory for downloads.

    Raises:
        BadData: a row is of no text of the pool, or has another text than its id; or as of gold.
    """
    asked, pool = Asked(uri), _Pool(corpus)
    unknown: list[tuple[str, int]] = []
    changed: list[tuple[str, int]] = []
    quarantine: list[Quarantined] = corpus.quarantine
    reader = SourceReader("asked", uri, files, fields, quarantine, inputs=tuple(corpus.texts.inputs))
    for example in reader.examples(objects, scratch):
        place = example.file.uri, example.row
        row, same_text = pool.find(example)
        if row is None:
            if pool.is_elsewhere(example):
                asked.known += example.label is not None
            else:
                unknown.append(place)
        elif not same_text:
            changed.append(place)
        elif example.label is None:
            asked.unanswered += 1
        else:
            asked.row.append(row)
            asked.label.append(example.label)
            asked.place.append(*place)
    if unknown:
        raise BadData(
            "AskedNotOfPool",
            f"{uri}: {len(unknown):,} rows are no texts of the pool: {_named(unknown)}.",
            "Give the file back with the ids and texts that `w2s ask` wrote; labels of other texts belong in `data.gold`.",
        )
    if changed:
        raise BadData(
            "AskedTextChanged",
            f"{uri}: {len(changed):,} rows have another text than the pool's row of the same id: {_named(changed)}.",
            "Perhaps one column was sorted without the others: label the file as `w2s ask` wrote it.",
        )
    return asked


class _Pool:
    """Finds rows of the pool."""

    def __init__(self, corpus: "Corpus") -> None:
        self._corpus = corpus
        self._text = np.array(corpus.unlabeled.text, dtype=np.int64)
        self._first = _first_rows(self._text)
        self._others = {*corpus.gold.text, *corpus.test.text}
        self._ids: pa.ChunkedArray = corpus.unlabeled.id.column()

    def find(self, example: Example) -> tuple[int | None, bool]:
        """The row of an answer, None if there is none; and whether it has that row's text."""
        if example.id is None:
            numbers = [self._find(example, text) for text in _readings(example, example.text)]
            return next((self._first[n] for n in numbers if n in self._first), None), True
        for name in _readings(example, example.id):
            row = pc.index(self._ids, pa.scalar(name, pa.string())).as_py()
            if row >= 0:
                pooled = self._corpus.texts[int(self._text[row])]
                return row, any(_same(text, pooled) for text in _readings(example, example.text))
        return None, True

    def is_elsewhere(self, example: Example) -> bool:
        """Whether the text of an answer is in gold or in the test."""
        return any(self._find(example, text) in self._others for text in _readings(example, example.text))

    def _find(self, example: Example, text: str) -> int | None:
        return self._corpus.texts.find(text, example.inputs)


def _first_rows(texts: NDArray[np.int64]) -> dict[int, int]:
    kinds, first = np.unique(texts, return_index=True)
    return dict(zip(kinds.tolist(), first.tolist(), strict=True))


def _readings(example: Example, value: str) -> Sequence[str]:
    """What a value may have been before it was written for a spreadsheet program, the likeliest first."""
    if not example.file.name.lower().endswith(".csv"):
        return (value,)
    return tuple(dict.fromkeys((unguarded(value), value)))


def _same(written: str, pooled: str) -> bool:
    given, whole = normalised(written), normalised(pooled)
    return given == whole or (len(written) >= LONGEST_CELL and whole.startswith(given))


def _named(places: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{uri.rpartition('/')[2]} row {row:,}" for uri, row in places[:SHOWN])
    return shown + (", …" if len(places) > SHOWN else "")
