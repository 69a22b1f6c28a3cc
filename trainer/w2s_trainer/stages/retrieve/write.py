"""The files of the artifact (docs/artifacts.md)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_api.input_template import PASSAGES
from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.imported import IMPORTED
from w2s_trainer.stages.retrieve.passages import PassageSet
from w2s_trainer.stages.retrieve.prompts import as_text
from w2s_trainer.stages.tables import EXAMPLES, RETRIEVED, Examples, input_column, write_table
from w2s_trainer.store.artifacts import Artifact


def write(
    examples: Examples,
    passages: PassageSet,
    numbers: Sequence[Sequence[int]],
    asked_again: NDArray[np.int64],
    inputs: Sequence[str],
    before: Artifact,
    output: Path,
    scratch: Path,
) -> None:
    """Writes the rows with their passages; after them those of the test that are asked again with their oracle alone.

    Args:
        examples: N rows.
        passages: of the job.
        numbers: of the N rows, passages in the order of the prompt.
        asked_again: int64[m], rows of the test.
        inputs: the other fields that prompts read.
        before: the artifact that the examples are from.
        output: the directory of the artifact.
        scratch: a directory for downloads.
    """
    again = names_of(asked_again, examples)
    shown = [*numbers, *([int(passages.oracle[row])] for row in asked_again.tolist())]
    ids = pa.concat_arrays([examples.ids.arrow(), pa.array(again, pa.string())])
    rows = np.concatenate([np.arange(len(examples)), asked_again])
    beside = fields_beside(examples.texts)
    write_table(
        {
            "id": ids,
            "text": list(taken(examples.texts, rows)),
            "part": [*examples.parts.tolist(), *(["oracle"] * len(again))],
            "family": examples.families[rows],
            **{input_column(name): list(taken(beside[name], rows)) for name in inputs if name != PASSAGES},
            input_column(PASSAGES): [as_text([passages.texts[one] for one in some]) for some in shown],
        },
        output / EXAMPLES,
    )
    write_table(
        {
            "id": ids,
            "of": pa.array([*[None] * len(examples), *examples.ids.take(asked_again)], pa.string()),
            "passages": pa.array(shown, pa.list_(pa.int64())),
            "oracle": passages.oracle[rows],
        },
        output / RETRIEVED,
    )
    write_table(
        {"passage": np.arange(len(passages.texts)), "text": list(passages.texts), "ofTest": passages.of_test},
        output / "passages.parquet",
    )
    if IMPORTED in before.files:
        table = pq.read_table(before.fetch(IMPORTED, scratch / before.stage / before.key)).take(
            pa.array(rows)
        )
        write_table({"id": ids, **{name: table[name] for name in table.column_names[1:]}}, output / IMPORTED)


def names_of(rows: NDArray[np.int64], examples: Examples) -> list[str]:
    """Ids of rows of the test that are asked again: that of the row and `#oracle`."""
    known = set(examples.ids)
    names = []
    for one in examples.ids.take(rows):
        name = f"{one}#oracle"
        while name in known:
            name += "'"
        known.add(name)
        names.append(name)
    return names
