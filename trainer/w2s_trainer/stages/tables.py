"""Reading the tables that stages hand to each other (docs/artifacts.md), aligned with the examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_trainer.data.inputs import Inputs
from w2s_trainer.families.task_family import NO_GOLD
from w2s_trainer.stages.columns import Strings, names_of, values_of
from w2s_trainer.store.artifacts import Artifact

Part = Literal["pool", "budget", "test", "oracle"]
"""`oracle` are rows of the test once more, with nothing beside them but the passage in which their answer stands."""

EXAMPLES = "examples.parquet"
"""The file of a `prepare` artifact that has the texts."""

ASKED = "asked.parquet"
"""The file of a `prepare` artifact that says which rows of the budget `w2s ask` chose; there where there are any."""

_INPUT = "input:"
REFINED = "refined.parquet"
"""The file of a `select` artifact that has every edit of a weak label; there where there are any."""

CORRECTED = "corrected.parquet"
"""The file of a `select` artifact that has every change of a weak label that is a class; there where there are any."""

RETRIEVED = "retrieved.parquet"
"""The file of a `retrieve` artifact that says which passages stand beside each row."""

EVERY_SEED = -1
"""The seed of rows that no draw changes."""


def input_column(name: str) -> str:
    """The column of `examples.parquet` that has a field that models read beside the text."""
    return f"{_INPUT}{name}"


class Examples:
    """Every text of the job, in the fixed order that all arrays follow (N of them), as columns."""

    def __init__(
        self,
        ids: "Sequence[str] | pa.ChunkedArray",
        texts: "Sequence[str] | pa.ChunkedArray | Inputs",
        parts: NDArray[np.str_],
        families: NDArray[np.int64],
    ) -> None:
        """
        Args:
            ids: N different ones.
            texts: N; those in a file are read as they are asked for. Fields beside them stay beside them.
            parts: str[N], each a Part.
            families: int64[N].
        """
        self.ids = Strings.of(ids)
        self.texts = texts if isinstance(texts, Inputs) else Strings.of(texts)
        self.parts = parts
        self.families = families

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, *parts: Part) -> NDArray[np.int64]:
        """Indices of the rows of some parts, int64[n], in order."""
        wanted = np.zeros(len(self), dtype=bool)
        for part in parts:
            wanted |= self.parts == part
        return np.flatnonzero(wanted).astype(np.int64)

    def rows_of(self, ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """Row indices of n ids, int64[n]; KeyError where one is not of these examples."""
        places = pc.index_in(ids, value_set=self.ids.arrow())
        if places.null_count:
            raise KeyError(ids.filter(pc.is_null(places))[0].as_py())
        return np.asarray(places.to_numpy(), dtype=np.int64)


@dataclass(frozen=True)
class WeakLabels:
    """Weak labels of all examples, for one seed."""

    targets: NDArray[Any]
    """[N, …], as the task's family has them. Of classes: float64[N, K]; what stands in abstaining rows means nothing."""
    abstain: NDArray[np.bool_]
    """bool[N]."""


def read_examples(artifact: Artifact, directory: Path) -> Examples:
    """The examples of a `prepare` artifact; texts stay in the file in `directory` until they are asked for."""
    path = _fetch(artifact, EXAMPLES, directory)
    table = pq.read_table(path, columns=["id", "part", "family"])
    columns = [name for name in pq.read_schema(path).names if name.startswith(_INPUT)]
    beside = {name.removeprefix(_INPUT): Strings.of_file(path, name) for name in columns}
    texts = Strings.of_file(path, "text")
    return Examples(
        ids=table["id"],
        texts=Inputs(texts, beside) if beside else texts,
        parts=names_of(table["part"]),
        families=table["family"].to_numpy().astype(np.int64),
    )


def read_gold(artifact: Artifact, part: Part, examples: Examples, directory: Path) -> NDArray[Any]:
    """Gold labels of one part of a `prepare` artifact, [N] as they are stored; elsewhere what `has_gold` denies.

    Who may read which part is the protocol's first rule: the test only `evaluate`, the pool only the arm
    `ceiling`.
    """
    table = pq.read_table(_fetch(artifact, f"gold-{part}/labels.parquet", directory))
    stored = _labels(table["label"])
    if stored.dtype.kind == "i":
        labels = np.full(len(examples), NO_GOLD, dtype=np.int64)
    else:
        labels = np.full(len(examples), np.nan if stored.dtype.kind == "f" else None, dtype=stored.dtype)
    labels[examples.rows_of(table["id"])] = stored
    return labels


def _labels(column: pa.ChunkedArray) -> NDArray[Any]:
    """Gold labels [n]; several gold texts of one row are a tuple."""
    if not pa.types.is_list(column.type):
        return np.asarray(column.to_numpy())
    labels = np.empty(len(column), dtype=object)
    labels[:] = [tuple(texts) for (texts,) in values_of(pa.table({"label": column}), "label")]
    return labels


def read_asked(artifact: Artifact, examples: Examples, directory: Path) -> NDArray[np.int64]:
    """Rows of the budget that `w2s ask` chose, int64[n] ascending; none where nobody was asked."""
    if ASKED not in artifact.files:
        return np.empty(0, dtype=np.int64)
    return np.sort(examples.rows_of(pq.read_table(_fetch(artifact, ASKED, directory))["id"]))


def has_gold(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the labels of `read_gold` are there: bool[n]."""
    if labels.dtype.kind == "f":
        return np.asarray(~np.isnan(labels))
    missing = NO_GOLD if labels.dtype.kind == "i" else None
    return np.array([label != missing for label in labels], dtype=bool)


def read_labels(
    artifact: Artifact, examples: Examples, directory: Path, column: str
) -> dict[int, WeakLabels]:
    """Reads weak labels of a `label` or `aggregate` artifact by seed, from a column, of all its shards."""
    wanted = ["id", "seed", column, "abstain"]
    table = pa.concat_tables(
        [pq.read_table(path, columns=wanted) for path in label_files(artifact, directory)]
    )
    seeds = table["seed"].to_numpy()
    rows = examples.rows_of(table["id"])
    targets = entries(table[column])
    abstain = table["abstain"].to_numpy()
    del table
    by_seed = {}
    for seed in np.unique(seeds):
        chosen = seeds == seed
        aligned = np.zeros((len(examples), *targets.shape[1:]), dtype=targets.dtype)
        silent = np.ones(len(examples), dtype=bool)
        aligned[rows[chosen]] = targets[chosen]
        silent[rows[chosen]] = abstain[chosen]
        by_seed[int(seed)] = WeakLabels(aligned, silent)
    return by_seed


def label_files(artifact: Artifact, directory: Path) -> list[Path]:
    """The tables of a `label` or `aggregate` artifact, one a shard, fetched."""
    names = sorted(name for name in artifact.files if name.startswith("labels") and name.endswith(".parquet"))
    return [_fetch(artifact, name, directory) for name in names]


def read_selection(
    artifact: Artifact, examples: Examples, directory: Path
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Reads kept rows and their weights of a `select` artifact by seed: int64[n] ascending, float64[n]."""
    table = pq.read_table(_fetch(artifact, "selection.parquet", directory))
    seeds = table["seed"].to_numpy()
    rows = examples.rows_of(table["id"])
    weights = table["weight"].to_numpy().astype(np.float64)
    by_seed = {}
    for seed in np.unique(seeds):
        chosen = np.flatnonzero(seeds == seed)
        order = chosen[np.argsort(rows[chosen], kind="stable")]
        by_seed[int(seed)] = (rows[order], weights[order])
    return by_seed


def read_refined(
    artifact: Artifact, examples: Examples, directory: Path
) -> dict[int, tuple[NDArray[np.int64], NDArray[Any]]]:
    """Reads the texts that a `select` artifact edited, by seed: rows int64[e] and what each edit left of its text, str[e].

    In the order of the edits, so that of several of one row the last counts. Empty where nothing was edited.
    """
    if REFINED not in artifact.files:
        return {}
    table = pq.read_table(_fetch(artifact, REFINED, directory), columns=["id", "seed", "after"])
    seeds, rows = table["seed"].to_numpy(), examples.rows_of(table["id"])
    after = np.asarray(table["after"].to_numpy(), dtype=object)
    return {int(seed): (rows[seeds == seed], after[seeds == seed]) for seed in np.unique(seeds)}


def read_corrected(
    artifact: Artifact, examples: Examples, directory: Path
) -> dict[int, tuple[NDArray[np.int64], NDArray[Any]]]:
    """Reads the classes that a `select` artifact changed, by seed: rows int64[c] and their labels float64[c, K].

    In the order of the changes, so that of several of one row the last counts. Empty where nothing was changed.
    """
    if CORRECTED not in artifact.files:
        return {}
    table = pq.read_table(_fetch(artifact, CORRECTED, directory), columns=["id", "seed", "probabilities"])
    seeds, rows = table["seed"].to_numpy(), examples.rows_of(table["id"])
    after = matrix(table["probabilities"])
    return {int(seed): (rows[seeds == seed], after[seeds == seed]) for seed in np.unique(seeds)}


def refined_examples(artifact: Artifact, directory: Path, most: int) -> list[dict[str, str]]:
    """Some of the edits of a `select` artifact, of its first seed and of each operation in turn: operation, before, after."""
    if REFINED not in artifact.files:
        return []
    wanted = ["seed", "step", "edit", "operation", "before", "after"]
    table = pq.read_table(_fetch(artifact, REFINED, directory), columns=wanted)
    table = table.filter(pc.equal(table["seed"], pc.min(table["seed"])))
    places: dict[tuple[int, int], int] = {}
    turns = []
    for of in values_of(table, "step", "edit"):
        places[of] = places.get(of, -1) + 1
        turns.append((places[of], *of))
    chosen = sorted(range(len(turns)), key=lambda row: turns[row])[:most]
    shown = ("operation", "before", "after")
    return [dict(zip(shown, values, strict=True)) for values in values_of(table.take(chosen), *shown)]


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


def read_asked_again(
    artifact: Artifact, examples: Examples, directory: Path
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rows of the test that rows of part `oracle` of a `retrieve` artifact are once more, and whose oracle was retrieved.

    Returns:
        int64[m], in the order of the rows of part `oracle`, and bool[m].
    """
    table = pq.read_table(_fetch(artifact, RETRIEVED, directory))
    again = examples.rows_of(table["of"].drop_null())
    shown = table.take(pa.array(again))
    found = [oracle in numbers for oracle, numbers in values_of(shown, "oracle", "passages")]
    return again, np.array(found, dtype=bool)


def _fetch(artifact: Artifact, name: str, directory: Path) -> Path:
    return artifact.fetch(name, directory / artifact.stage / artifact.key)


def read_predictions(
    artifact: Artifact, rows: NDArray[np.int64], examples: Examples, directory: Path, column: str
) -> dict[tuple[str, int], dict[int, NDArray[Any]]]:
    """Reads the answers of a `train` artifact's arms on some rows, from a column: by (arm, size) and seed, [n, …].

    Nothing of an arm that was not asked about all of them, nor where an artifact of an earlier version has no such column.
    """
    path = _fetch(artifact, "predictions.parquet", directory)
    if column not in pq.read_schema(path).names:
        return {}
    table = pq.read_table(path, columns=["arm", "seed", "size", "id", column])
    place = np.full(len(examples), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    at = place[examples.rows_of(table["id"])]
    arms, seeds, sizes = names_of(table["arm"]), table["seed"].to_numpy(), table["size"].to_numpy()
    answers = entries(table[column])
    by_arm: dict[tuple[str, int], dict[int, NDArray[Any]]] = {}
    for arm, size, seed in sorted(set(zip(arms.tolist(), sizes.tolist(), seeds.tolist(), strict=True))):
        chosen = (arms == arm) & (sizes == size) & (seeds == seed) & (at >= 0)
        if chosen.sum() < len(rows):
            continue
        aligned = np.empty((len(rows), *answers.shape[1:]), dtype=answers.dtype)
        aligned[at[chosen]] = answers[chosen]
        by_arm.setdefault((arm, size), {})[seed] = aligned
    return by_arm
