"""The files of the artifact (docs/artifacts.md)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.imported import IMPORTED, text_column
from w2s_trainer.stages.synthesise.pairs import Pair
from w2s_trainer.stages.tables import EXAMPLES, Examples, input_column, write_table

PAIRS = "pairs.parquet"


def names_of(pairs: Sequence[Pair], examples: Examples) -> list[str]:
    """Ids of pairs: that of the document and a number."""
    taken = set(examples.ids)
    counts: dict[int, int] = {}
    names = []
    for pair in pairs:
        counts[pair.row] = counts.get(pair.row, 0) + 1
        name = f"{examples.ids[pair.row]}#{counts[pair.row]}"
        while name in taken:
            name += "'"
        taken.add(name)
        names.append(name)
    return names


def write(
    pairs: Sequence[Pair],
    texts: Sequence[str],
    examples: Examples,
    output: Path,
    oracle: str | None = None,
) -> None:
    """Writes the pairs in place of the pool, before the rows of budget and test as they were; and where each is from.

    Args:
        pairs: n, those of a document side by side.
        texts: as they are written.
        examples: of the job, whose pool the documents are.
        output: the directory of the artifact.
        oracle: the field with the passage in which an answer stands, where prompts hold passages.
    """
    names, rows = names_of(pairs, examples), np.array([pair.row for pair in pairs], dtype=np.int64)
    gold, beside = examples.rows("budget", "test"), fields_beside(examples.texts)
    ids = pa.concat_arrays([pa.array(names, pa.string()), examples.ids.take(gold).arrow()])
    write_table(
        {
            "id": ids,
            "text": [*texts, *examples.texts.take(gold)],
            "part": ["pool"] * len(pairs) + examples.parts[gold].tolist(),
            "family": examples.families[np.concatenate([rows, gold])],
            **(
                {input_column(oracle): [*(pair.shown for pair in pairs), *taken(beside[oracle], gold)]}
                if oracle
                else {}
            ),
        },
        output / EXAMPLES,
    )
    nothing = [None] * len(gold)
    write_table(
        {
            "id": ids,
            text_column("answer"): pa.array([*(pair.answer for pair in pairs), *nothing], pa.string()),
            text_column("quotation"): pa.array(
                [*(" ".join(pair.quoted.split()) for pair in pairs), *nothing], pa.string()
            ),
        },
        output / IMPORTED,
    )
    write_table(
        {
            "id": names,
            "document": examples.ids.take(rows).arrow(),
            "generator": [pair.generator for pair in pairs],
            "question": [pair.question for pair in pairs],
            "answer": [pair.answer for pair in pairs],
            "quotation": [pair.quoted for pair in pairs],
            **{
                f"{what}{end}": np.array([getattr(pair, what)[side] for pair in pairs], dtype=np.int64)
                for what in ("quotation", "passage")
                for side, end in enumerate(("Start", "End"))
            },
        },
        output / PAIRS,
    )
