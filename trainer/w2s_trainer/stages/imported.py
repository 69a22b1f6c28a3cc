"""What labelers import from the rows: how it is stored, and what a value means."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_api.canonical_text import canonical_text
from w2s_api.methods.labelers import Imported
from w2s_trainer.data.keys import says_missing
from w2s_trainer.store.artifacts import Artifact

IMPORTED = "imported.parquet"
"""The file of a `prepare` artifact that has the fields that labelers import, a row for each text."""

ABSTAINS = -1
"""What an abstention is among the numbers of classes."""


def vote_column(name: str) -> str:
    """The column of a field with votes."""
    return f"vote:{name}"


def text_column(name: str) -> str:
    """The column of a field with texts."""
    return f"text:{name}"


def number_column(name: str) -> str:
    """The column of a field with probabilities."""
    return f"number:{name}"


class Meaning:
    """What the values of a field with votes mean.

    Args:
        settings: say which value means what.
        classes: the K class names.
    """

    def __init__(self, settings: Imported, classes: Sequence[str]) -> None:
        numbers = {canonical_text(name): number for number, name in enumerate(classes)}
        mapped = {
            canonical_text(given.value): numbers[canonical_text(given.class_name)]
            for given in settings.values
        }
        silent = dict.fromkeys(map(canonical_text, settings.abstain_on), ABSTAINS)
        self._numbers = {**numbers, **silent, **mapped}

    def of(self, value: str) -> int | None:
        """The number of a class, or ABSTAINS; None of a value, in the one form of keys, that means neither."""
        if value in self._numbers:
            return self._numbers[value]
        return ABSTAINS if says_missing(value) else None


def read_imported(
    artifact: Artifact, columns: Sequence[str], ids: Any, directory: Path
) -> list[NDArray[Any]]:
    """Columns of a `prepare` artifact, each [N] in the order of the examples; missing strings are None, numbers NaN.

    Args:
        artifact: of `prepare`.
        columns: names.
        ids: of the N examples (Arrow), to hold the order to.
        directory: for the file.
    """
    table = pq.read_table(
        artifact.fetch(IMPORTED, directory / artifact.stage / artifact.key), columns=["id", *columns]
    )
    assert table["id"].combine_chunks().equals(ids), "imported.parquet is in the order of examples.parquet"
    return [table[name].to_numpy() for name in columns]
