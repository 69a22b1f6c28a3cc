"""What the store has of a job that has ended: its answers for the pool, its texts and its features."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load_file

from w2s_api.names import StageKind
from w2s_api.spec.data import Fields
from w2s_api.spec.strong import Strong
from w2s_trainer.data.sources import expand
from w2s_trainer.errors import BadData, InputGone
from w2s_trainer.families import family_class
from w2s_trainer.models.uri import model_digest
from w2s_trainer.stages import features
from w2s_trainer.stages.columns import names_of
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    WeakLabels,
    entries,
    read_examples,
    read_labels,
)
from w2s_trainer.store.artifacts import Artifact, ArtifactStore, no_such_job
from w2s_trainer.store.objects import NoSuchObject, Objects

RESULTS, ANSWERS = "results.json", "predictions.parquet"
COLUMN = "probabilities"
"""Of kinds of task whose answers can be combined."""


@dataclass(frozen=True)
class PoolAnswers:
    """What is said of some texts of the pool (n of them), K classes."""

    rows: NDArray[np.int64]
    """int64[n], of the examples, ascending."""
    combined: NDArray[np.float64]
    """float64[S, n, K], by seed."""
    teacher: NDArray[np.float64]
    """float64[n, K], the mean over seeds."""
    abstain: NDArray[np.bool_]
    """bool[n]: the teacher abstains in every seed."""


class EndedJob:
    """A job that has come to its end. Only what is asked for is read.

    Args:
        objects: the store.
        storage: `storage.uri`.
        namespace: of the job.
        name: of the job.
        scratch: a directory for downloads.

    Raises:
        BadData: no job of that name has come to its end, or it has no combination.
    """

    def __init__(self, objects: Objects, storage: str, namespace: str, name: str, scratch: Path) -> None:
        self._objects, self._scratch = objects, scratch
        self._store = ArtifactStore(objects, storage)
        self.name = name
        uri = self._store.job_uri(namespace, name, RESULTS)
        try:
            self.results: Mapping[str, Any] = json.loads(objects.read(uri))
        except NoSuchObject as error:
            raise no_such_job(uri) from error
        kind = self.results["task"]["type"]
        if "combine" not in self.results["provenance"] or family_class(kind).is_joined_by_choice:
            raise BadData(
                "NoCombination",
                f"{namespace}/{name} has no arm `combined` with probabilities, whose doubts say what to ask about"
                f" (task.type {kind}, or results of an earlier version).",
                "Run the job again with this version; tasks whose answers are no distributions are not asked about.",
            )

    @property
    def classes(self) -> list[str]:
        """The K names."""
        return [one["name"] for one in self.results["task"]["classes"]]

    @cached_property
    def fields(self) -> Fields:
        """How the job's columns are called."""
        given = self._prepared.provenance["inputs"]["data"].get("fields", {})
        return Fields.model_validate(given)

    @property
    def pool_uri(self) -> str:
        """Where the pool is."""
        return str(self._prepared.provenance["inputs"]["data"]["unlabeled"]["uri"])

    @cached_property
    def examples(self) -> Examples:
        """Its texts."""
        return read_examples(self._prepared, self._scratch)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Of the frozen strong model, float32[N, d].

        Raises:
            InputGone: they are no longer in the store.
        """
        provenance = self._combined.provenance
        strong = provenance["inputs"]["strong"]
        made = [key for name, key in provenance["needs"].items() if name.startswith("adapt-")]
        tokens = int(strong.get("maxTokens", Strong.model_fields["max_tokens"].default))
        digest = made[0] if made else model_digest(strong["model"]["uri"], self._objects)
        artifact = self._store.find(
            features.STAGE, features.features_key(self.examples.texts, digest, tokens)
        )
        if artifact is None:
            raise _gone("the features of its texts")
        return load_file(artifact.fetch("features.safetensors", self._scratch / "features"))["features"]

    def answers(self) -> PoolAnswers:
        """What combination and teacher say of the pool; where `strong` is tuned beyond a head, of its sample."""
        table = pq.read_table(self._combined.fetch(ANSWERS, self._scratch / "combine"))
        table = table.filter(names_of(table["arm"]) == "combined")
        rows, seeds = self.examples.rows_of(table["id"]), table["seed"].to_numpy()
        pooled = self.examples.parts[rows] == "pool"
        said = entries(table[COLUMN])
        of_pool = np.unique(rows[pooled])
        combined = []
        for seed in np.unique(seeds):
            chosen = np.flatnonzero(pooled & (seeds == seed))
            combined.append(said[chosen[np.argsort(rows[chosen])]])
        labels = read_labels(self._artifact("aggregate", "aggregate"), self.examples, self._scratch, COLUMN)
        teacher, abstain = _mean(labels, of_pool)
        return PoolAnswers(of_pool, np.stack(combined), teacher, abstain)

    def groups(self, ids: list[str]) -> dict[str, str]:
        """The group of each of some texts of the pool that has one, by id, read from the pool itself.

        Raises:
            BadData: the pool is no longer where the job read it.
        """
        from w2s_trainer.stages.prepare.usable import SourceReader

        wanted, found = set(ids), dict[str, str]()
        files = expand(self.pool_uri, self._objects)
        for example in SourceReader("unlabeled", self.pool_uri, files, self.fields, []).examples(
            self._objects, self._scratch
        ):
            name = example.id or f"{example.file.name}:{example.row}"
            for one in (name, f"unlabeled/{name}"):
                if one in wanted and example.group is not None:
                    found[one] = example.group
        return found

    @cached_property
    def _prepared(self) -> Artifact:
        return self._artifact("prepare", "prepare")

    @cached_property
    def _combined(self) -> Artifact:
        return self._artifact("combine", "combine")

    def _artifact(self, kind: StageKind, name: str) -> Artifact:
        artifact = self._store.find(kind, self.results["provenance"][name]["key"])
        if artifact is None:
            raise _gone(f"what its stage {name} made")
        return artifact


def _mean(
    labels: Mapping[int, WeakLabels], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The teacher's mean over the seeds in which it answers, and where it answers in none."""
    by_seed = [labels[EVERY_SEED]] if EVERY_SEED in labels else list(labels.values())
    targets = np.stack([weak.targets[rows] for weak in by_seed])
    speaks = ~np.stack([weak.abstain[rows] for weak in by_seed])
    total = (targets * speaks[..., None]).sum(axis=0)
    count = speaks.sum(axis=0)
    return np.asarray(total / np.maximum(count, 1)[:, None]), np.asarray(count == 0)


def _gone(what: str) -> InputGone:
    return InputGone(
        "InputGone", f"In the store there is no more {what}.", "Run the job again: it is made anew."
    )
