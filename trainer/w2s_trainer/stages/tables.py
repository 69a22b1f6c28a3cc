"""Reading the tables that stages hand to each other (docs/artifacts.md), aligned with the examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_trainer.families.task_family import NO_GOLD
from w2s_trainer.store.artifacts import Artifact

Part = Literal["pool", "budget", "test"]

EVERY_SEED = -1
"""The seed of rows that no draw changes."""


@dataclass(frozen=True)
class Examples:
    """Every text of the job, in the fixed order that all arrays follow (N of them)."""

    ids: list[str]
    texts: list[str]
    parts: NDArray[np.str_]
    families: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """Row index by id."""
        return {name: row for row, name in enumerate(self.ids)}

    def rows(self, *parts: Part) -> NDArray[np.int64]:
        """Indices of the rows of some parts, int64[n], in order."""
        return np.flatnonzero(np.isin(self.parts, parts)).astype(np.int64)


@dataclass(frozen=True)
class WeakLabels:
    """Weak labels of all examples, for one seed."""

    targets: NDArray[Any]
    """[N, …], as the task's family has them. Of classes: float64[N, K]; what stands in abstaining rows means nothing."""
    abstain: NDArray[np.bool_]
    """bool[N]."""


def read_examples(artifact: Artifact, directory: Path) -> Examples:
    """The examples of a `prepare` artifact."""
    table = _read(artifact, "examples.parquet", directory)
    return Examples(
        ids=table["id"].to_pylist(),
        texts=table["text"].to_pylist(),
        parts=np.array(table["part"].to_pylist(), dtype=np.str_),
        families=table["family"].to_numpy().astype(np.int64),
    )


def read_gold(artifact: Artifact, part: Part, examples: Examples, directory: Path) -> NDArray[Any]:
    """Gold labels of one part of a `prepare` artifact, [N] as they are stored; elsewhere what `has_gold` denies.

    Who may read which part is the protocol's first rule: the test only `evaluate`, the pool only the arm
    `ceiling`.
    """
    table = _read(artifact, f"gold-{part}/labels.parquet", directory)
    stored = table["label"].to_numpy()
    if stored.dtype.kind == "i":
        labels = np.full(len(examples), NO_GOLD, dtype=np.int64)
    else:
        labels = np.full(len(examples), np.nan if stored.dtype.kind == "f" else None, dtype=stored.dtype)
    rows = [examples.row_of[name] for name in table["id"].to_pylist()]
    labels[rows] = stored
    return labels


def has_gold(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the labels of `read_gold` are there: bool[n]."""
    if labels.dtype.kind == "f":
        return np.asarray(~np.isnan(labels))
    missing = NO_GOLD if labels.dtype.kind == "i" else None
    return np.array([label != missing for label in labels], dtype=bool)


def read_labels(
    artifact: Artifact, examples: Examples, directory: Path, column: str
) -> dict[int, WeakLabels]:
    """Weak labels of a `label` or `aggregate` artifact by seed, from a column; all shards of it are read."""
    names = sorted(name for name in artifact.files if name.startswith("labels") and name.endswith(".parquet"))
    table = pa.concat_tables([_read(artifact, name, directory) for name in names])
    seeds = table["seed"].to_numpy()
    rows = np.array([examples.row_of[name] for name in table["id"].to_pylist()], dtype=np.int64)
    targets = entries(table[column])
    abstain = np.asarray(table["abstain"].to_pylist(), dtype=bool)
    found = {}
    for seed in np.unique(seeds):
        mine = seeds == seed
        aligned = np.zeros((len(examples), *targets.shape[1:]), dtype=targets.dtype)
        silent = np.ones(len(examples), dtype=bool)
        aligned[rows[mine]] = targets[mine]
        silent[rows[mine]] = abstain[mine]
        found[int(seed)] = WeakLabels(aligned, silent)
    return found


def read_selection(
    artifact: Artifact, examples: Examples, directory: Path
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Kept rows and their weights of a `select` artifact by seed: int64[n] ascending, float64[n]."""
    table = _read(artifact, "selection.parquet", directory)
    seeds = table["seed"].to_numpy()
    rows = np.array([examples.row_of[name] for name in table["id"].to_pylist()], dtype=np.int64)
    weights = table["weight"].to_numpy().astype(np.float64)
    found = {}
    for seed in np.unique(seeds):
        mine = np.flatnonzero(seeds == seed)
        order = mine[np.argsort(rows[mine], kind="stable")]
        found[int(seed)] = (rows[order], weights[order])
    return found


def unread(count: int) -> dict[str, int]:
    """The figure that says of how many texts a model could read nothing; none where it could read all."""
    return {"unreadable": count} if count else {}


def of_seed(by_seed: Mapping[int, Any], seed: int) -> Any:
    """What holds for a seed: its own, or what holds for every seed."""
    return by_seed[seed] if seed in by_seed else by_seed[EVERY_SEED]


def entries(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an array with one entry a row: of lists float64[n, K], else [n]."""
    return matrix(column) if pa.types.is_list(column.type) else column.to_numpy()


def column_of(values: NDArray[Any]) -> Any:
    """An array with one entry a row as a column, for `entries` to read again."""
    return lists(values) if values.ndim == 2 else values


def matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of equally long lists as float64[n, K]."""
    flat = column.combine_chunks()
    values = flat.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(values.reshape(len(flat), -1)) if len(flat) else values.reshape(0, 0)


def lists(values: NDArray[Any]) -> pa.Array:
    """A matrix [n, K] as a column of float32 lists."""
    n, k = values.shape
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
    return pa.ListArray.from_arrays(np.arange(0, (n + 1) * k, k, dtype=np.int32), flat)


def write_table(columns: Mapping[str, Any], path: Path) -> None:
    """Writes a table as Parquet (zstd)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, compression="zstd")


def _read(artifact: Artifact, name: str, directory: Path) -> pa.Table:
    place = directory / artifact.stage / artifact.key
    return pq.read_table(artifact.fetch(name, place))


def read_predictions(
    artifact: Artifact, rows: NDArray[np.int64], examples: Examples, directory: Path, column: str
) -> dict[tuple[str, int], dict[int, NDArray[Any]]]:
    """What the arms of a `train` artifact say of some rows, from a column: by (arm, size) and seed, [n, …]."""
    table = _read(artifact, "predictions.parquet", directory)
    place = np.full(len(examples), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    at = place[[examples.row_of[name] for name in table["id"].to_pylist()]]
    arms, seeds, sizes = (
        np.asarray(table["arm"].to_pylist(), dtype=np.str_),
        table["seed"].to_numpy(),
        table["size"].to_numpy(),
    )
    answers = entries(table[column])
    found: dict[tuple[str, int], dict[int, NDArray[Any]]] = {}
    for arm, size, seed in sorted(set(zip(arms.tolist(), sizes.tolist(), seeds.tolist(), strict=True))):
        mine = (arms == arm) & (sizes == size) & (seeds == seed) & (at >= 0)
        aligned = np.empty((len(rows), *answers.shape[1:]), dtype=answers.dtype)
        aligned[at[mine]] = answers[mine]
        found.setdefault((arm, size), {})[seed] = aligned
    return found
