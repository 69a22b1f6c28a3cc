"""Aggregations of the ten rule votes that came with youtube_spam_weak, against its gold labels and Snorkel's own labels.

    python tests/science/imported_votes.py --data ../shared/data

Rates are fitted on the votes of the training split alone; every figure is of the test split. `covered` texts have a vote
that decides; `all` counts the others as the commonest class of the weak labels, as the arm `weak` does. `snorkel` are the
hard labels that the data set's makers had from Snorkel.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import AGGREGATIONS
from w2s_api.spec.task import ClassLabel, Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.aggregate.methods import Sources, aggregation_of
from w2s_trainer.stages.aggregate.summary import sources_summary
from w2s_trainer.stages.tables import WeakLabels

CLASSES = ("ham", "spam")
ROWS = (
    ("MajorityVote", {}),
    ("WeightedAverage", {}),
    ("DawidSkene", {"abstentions": "Missing"}),
    ("DawidSkene", {"abstentions": "Answers"}),
    ("LabelModel", {}),
)


def main() -> None:
    """Prints a table, and what each rule is worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    path = parser.parse_args().data / "youtube_spam_weak/data.jsonl.gz"
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    gold = np.array([CLASSES.index(row["label"]) for row in rows])
    split = np.array([row["split"] for row in rows])
    cast = np.array([row["lf_votes"] for row in rows])
    votes = np.select([cast == 1, cast == -1], [1, 0], default=-1)
    task = Task(classes=[ClassLabel(name=name) for name in CLASSES])
    sources = Sources(
        {f"lf-{place}": _labels(column) for place, column in enumerate(votes.T)},
        np.flatnonzero(split == "train"),
        Classification(task),
    )
    test = np.flatnonzero(split == "test")
    print(f"{'method':30} {'covered':>8} {'accuracy':>9} {'all':>6} {'log loss':>9}")
    for name, settings in ROWS:
        method = AGGREGATIONS[name].model_validate(settings)
        outcome = aggregation_of(method)(method, sources)
        weak = outcome.labels
        fallback = np.bincount(
            weak.targets[sources.pool][~weak.abstain[sources.pool]].argmax(axis=1)
        ).argmax()
        _line(
            f"{name} {' '.join(settings.values())}",
            weak.targets.argmax(axis=1),
            weak.abstain,
            fallback,
            gold,
            test,
        )
        said = test[~weak.abstain[test]]
        print(f"{-np.log(np.maximum(weak.targets[said, gold[said]], 1e-12)).mean():9.3f}")
        if outcome.accuracies and settings != {"abstentions": "Missing"}:
            errors = [
                abs(outcome.accuracies[key] - (votes[:, place] == gold)[test][votes[test, place] >= 0].mean())
                for place, key in enumerate(sources.labels)
                if (votes[test, place] >= 0).any()
            ]
            print(
                f"{'':30} accuracies of the rules: mean error {np.mean(errors):.3f}, largest {max(errors):.3f}"
            )
    snorkel = np.array([row["snorkel"] for row in rows])
    spam = (snorkel == 1).astype(int)
    fallback = np.bincount(spam[(split == "train") & (snorkel != 0)]).argmax()
    _line("snorkel, as it came", spam, snorkel == 0, fallback, gold, test)
    print()
    for warning in sources_summary(sources, outcome).get("warnings", ()):
        print(warning)


def _labels(votes: NDArray[np.int64]) -> WeakLabels:
    sure = np.full((len(votes), 2), 1 / 6)
    sure[np.arange(len(votes)), np.maximum(votes, 0)] = 5 / 6
    return WeakLabels(sure, votes < 0)


def _line(
    name: str,
    decided: NDArray[np.int64],
    silent: NDArray[np.bool_],
    fallback: int,
    gold: NDArray[np.int64],
    test: NDArray[np.int64],
) -> None:
    said = ~silent[test]
    right = decided[test] == gold[test]
    anywhere = np.where(said, decided[test], fallback) == gold[test]
    print(f"{name:30} {said.mean():8.3f} {right[said].mean():9.3f} {anywhere.mean():6.3f}", end=" ")


if __name__ == "__main__":
    main()
