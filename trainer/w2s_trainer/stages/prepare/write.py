"""The files of the artifact (docs/artifacts.md)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_trainer.families.task_family import NO_GOLD, TaskFamily
from w2s_trainer.stages.prepare.families import in_order
from w2s_trainer.stages.prepare.parts import Part, Parts
from w2s_trainer.stages.prepare.texts import Texts
from w2s_trainer.stages.prepare.usable import Quarantined
from w2s_trainer.stages.tables import ASKED, input_column

_EXAMPLES = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("part", pa.string()), ("family", pa.int64())]
)
_QUARANTINE = pa.schema([("source", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
_CHUNK = 10_000


def write(
    parts: Parts,
    texts: Texts,
    quarantine: Sequence[Quarantined],
    task_family: TaskFamily,
    output: Path,
) -> None:
    """Writes examples, gold labels by part, and the quarantine."""
    drawn = parts.drawn
    _write_examples(
        [
            (parts.listed_pool, np.where(parts.asked, "budget", "pool")),
            (drawn, np.full(len(drawn), "budget")),
            (parts.test, np.full(len(parts.test), "test")),
        ],
        texts,
        output / "examples.parquet",
    )
    for name, part in (("pool", parts.pool), ("budget", parts.budget), ("test", parts.test)):
        labelled = np.flatnonzero(part.label != NO_GOLD)
        labels = pa.array(task_family.stored_gold(part.label[labelled]))
        _write(
            {"id": part.id.take(labelled).arrow(), "label": labels},
            pa.schema([("id", pa.string()), ("label", labels.type)]),
            output / f"gold-{name}" / "labels.parquet",
        )
    if parts.asked.any():
        _write(
            {"id": parts.budget.id[len(drawn) :].arrow()},
            pa.schema([("id", pa.string())]),
            output / ASKED,
        )
    _write(
        {
            "source": [bad.source for bad in quarantine],
            "row": [bad.row for bad in quarantine],
            "reason": [bad.reason for bad in quarantine],
        },
        _QUARANTINE,
        output / "quarantine.parquet",
    )


def _write_examples(listed: Sequence[tuple[Part, NDArray[np.str_]]], texts: Texts, path: Path) -> None:
    """Writes texts, the fields beside them and the names of their parts: a chunk of rows at a time, so that no second copy of
    all texts is made.

    A text that was asked about keeps its place, so that features of all texts are those from before.
    """
    family: NDArray[np.int64] = in_order(np.concatenate([part.family for part, _ in listed]))
    beside = {input_column(name): values for name, values in texts.inputs.items()}
    schema = pa.schema([*_EXAMPLES, *((name, pa.string()) for name in beside)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        done = 0
        for part, names in listed:
            for start in range(0, len(part), _CHUNK):
                end = min(start + _CHUNK, len(part))
                numbers = part.text[start:end].tolist()
                writer.write_table(
                    pa.table(
                        {
                            "id": part.id[start:end].arrow(),
                            "text": [texts[number] for number in numbers],
                            "part": names[start:end].tolist(),
                            "family": family[done + start : done + end],
                            **{
                                name: [values[number] for number in numbers]
                                for name, values in beside.items()
                            },
                        },
                        schema=schema,
                    )
                )
            done += len(part)


def _write(columns: dict[str, Any], schema: pa.Schema, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd")
