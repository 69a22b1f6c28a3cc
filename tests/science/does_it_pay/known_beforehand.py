"""What is known of a job when `prepare` and `label` are done, before a student is trained: the map's predictors."""

from pathlib import Path
from typing import Any

import numpy as np

from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.tables import WeakLabels, of_seed, read_examples, read_gold, read_labels
from w2s_trainer.store.artifacts import ArtifactStore

from .declared import SEEDS

PROBABILITIES = "probabilities"


def known_beforehand(
    store: ArtifactStore, results: dict[str, Any], budget: int, scratch: Path
) -> dict[str, Any]:
    """Counts of a job that has ended, by seed where seeds differ; gold of the test and of the pool is not read.

    Args:
        store: where its artifacts are.
        results: its results.json.
        budget: gold labels of a seed.
        scratch: a directory for downloads.
    """

    def artifact(name: str) -> Any:
        kind = "label" if name.startswith("label-") else name
        found = store.find(kind, results["provenance"][name]["key"])
        assert found, name
        return found

    prepared = artifact("prepare")
    examples = read_examples(prepared, scratch)
    gold = read_gold(prepared, "budget", examples, scratch)
    rows, pool = examples.rows("budget"), examples.rows("pool")
    labels = read_labels(artifact("aggregate"), examples, scratch, PROBABILITIES)
    opinions = [
        of_seed(read_labels(artifact(name), examples, scratch, PROBABILITIES), 0)
        for name in results["provenance"]
        if name.startswith("label-")
    ]
    ids = examples.ids.take(rows)
    classes = len(results["task"]["classes"])
    first: WeakLabels = of_seed(labels, 0)
    covered = pool[~first.abstain[pool]]
    return {
        "budget": budget,
        "classes": classes,
        "pool": len(pool),
        "coverage": round(float(len(covered) / max(1, len(pool))), 6),
        "confidence": round(float(first.targets[covered].max(axis=1).mean()), 6) if len(covered) else None,
        "shares": [round(float(share), 6) for share in _shares(first, pool)],
        "agreement": _agreement(opinions, pool),
        "bySeed": [
            _seed(of_seed(labels, seed), gold, rows[draw(ids, gold[rows], budget, seed)], classes)
            for seed in range(SEEDS)
        ],
    }


def _seed(weak: WeakLabels, gold: np.ndarray, drawn: np.ndarray, classes: int) -> dict[str, Any]:
    """Labels drawn of each class, and of those that the teacher answers how often it says what."""
    covered = drawn[~weak.abstain[drawn]]
    said = np.zeros((classes, classes), dtype=int)
    np.add.at(said, (gold[covered], weak.targets[covered].argmax(axis=1)), 1)
    return {"drawn": np.bincount(gold[drawn], minlength=classes).tolist(), "said": said.tolist()}


def _shares(weak: WeakLabels, pool: np.ndarray) -> np.ndarray:
    covered = pool[~weak.abstain[pool]]
    return np.asarray(weak.targets[covered].mean(axis=0)) if len(covered) else np.zeros(0)


def _agreement(opinions: list[WeakLabels], pool: np.ndarray) -> float | None:
    """Of pairs of labelers that both answer a text of the pool, the share that names the same class."""
    same = both = 0
    for place, left in enumerate(opinions):
        for right in opinions[place + 1 :]:
            here = pool[~left.abstain[pool] & ~right.abstain[pool]]
            both += len(here)
            same += int((left.targets[here].argmax(axis=1) == right.targets[here].argmax(axis=1)).sum())
    return round(same / both, 6) if both else None
