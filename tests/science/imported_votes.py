"""Aggregations of the ten rule votes that came with youtube_spam_weak, against its gold labels and Snorkel's own labels.

    python tests/science/imported_votes.py --data ../shared/data

`CrowdLab` reads features of MiniLM (96 tokens, kept in `--cache`); texts of the same words are one family.

Rates are fitted on the votes of the training split alone; every figure is of the test split. `covered` texts have a vote
that decides; `all` counts the others as the commonest class of the weak labels, as the arm `weak` does. `snorkel` are the
hard labels that the data set's makers had from Snorkel.
"""

import argparse
import gzip
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from combination_tasks import features_in, group_of
from numpy.typing import NDArray

from w2s_api.methods.aggregations import AGGREGATIONS, MajorityVote
from w2s_api.methods.tunings import Head
from w2s_api.spec.task import ClassLabel, Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources, Texts, aggregation_of
from w2s_trainer.stages.aggregate.summary import sources_summary
from w2s_trainer.stages.tables import WeakLabels

CLASSES = ("ham", "spam")
ROWS = (
    ("MajorityVote", {}),
    ("WeightedAverage", {}),
    ("DawidSkene", {"abstentions": "Missing"}),
    ("DawidSkene", {"abstentions": "Answers"}),
    ("LabelModel", {}),
    ("CrowdLab", {}),
)


@dataclass(frozen=True)
class Read:
    """The rows of the set, n of them."""

    rows: list[dict[str, Any]]
    gold: NDArray[np.int64]
    votes: NDArray[np.int64]
    """int64[n, 10], -1 where a rule abstains."""
    sources: Sources

    @property
    def test(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.array([row["split"] for row in self.rows]) == "test")


@dataclass(frozen=True)
class Figures:
    """Of weak labels, on the test split."""

    covered: float
    accuracy: float
    """Where there is a label."""
    anywhere: float
    """With the commonest class where there is none."""
    log_loss: float = float("nan")
    errors: tuple[float, ...] = ()
    """Of the accuracies that it estimates of the rules."""


def read(data: Path, cache: Path) -> Read:
    """The set from its directory, features from the cache where they are there."""
    with gzip.open(data / "youtube_spam_weak/data.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    cast = np.array([row["lf_votes"] for row in rows])
    votes = np.select([cast == 1, cast == -1], [1, 0], default=-1)
    sources = Sources(
        {f"lf-{place}": _labels(column) for place, column in enumerate(votes.T)},
        np.flatnonzero(np.array([row["split"] for row in rows]) == "train"),
        Classification(Task(classes=[ClassLabel(name=name) for name in CLASSES])),
        _texts(rows, cache),
    )
    return Read(rows, np.array([CLASSES.index(row["label"]) for row in rows]), votes, sources)


def judged(known: Read) -> Iterator[tuple[str, Figures]]:
    """Each aggregation by its name and settings."""
    for name, settings in ROWS:
        method = AGGREGATIONS[name].model_validate(settings)
        outcome = aggregation_of(method)(method, known.sources)
        yield " ".join([name, *settings.values()]), _judged(known, outcome)


def _judged(known: Read, outcome: Aggregated) -> Figures:
    weak, pool, test = outcome.labels, known.sources.pool, known.test
    fallback = np.bincount(weak.targets[pool][~weak.abstain[pool]].argmax(axis=1)).argmax()
    figures = _figures(known, weak.targets.argmax(axis=1), weak.abstain, int(fallback))
    said = test[~weak.abstain[test]]
    loss = -np.log(np.maximum(weak.targets[said, known.gold[said]], 1e-12)).mean()
    right = (known.votes == known.gold[:, None])[test]
    errors = [
        abs(outcome.accuracies[key] - right[:, place][known.votes[test, place] >= 0].mean())
        for place, key in enumerate(known.sources.labels)
        if outcome.accuracies and (known.votes[test, place] >= 0).any()
    ]
    return replace(figures, log_loss=float(loss), errors=tuple(errors))


def _figures(known: Read, decided: NDArray[np.int64], silent: NDArray[np.bool_], fallback: int) -> Figures:
    test = known.test
    said, right = ~silent[test], decided[test] == known.gold[test]
    anywhere = np.where(said, decided[test], fallback) == known.gold[test]
    return Figures(float(said.mean()), float(right[said].mean()), float(anywhere.mean()))


def main() -> None:
    """Prints a table, and what each rule is worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    arguments = parser.parse_args()
    known = read(arguments.data, arguments.cache)
    print(f"{'method':30} {'covered':>8} {'accuracy':>9} {'all':>6} {'log loss':>9}")
    for name, figures in judged(known):
        print(f"{_line(name, figures)} {figures.log_loss:9.3f}")
        if figures.errors and name != "DawidSkene Missing":
            mean, largest = np.mean(figures.errors), max(figures.errors)
            print(f"{'':30} accuracies of the rules: mean error {mean:.3f}, largest {largest:.3f}")
    snorkel = np.array([row["snorkel"] for row in known.rows])
    spam = (snorkel == 1).astype(int)
    train = np.array([row["split"] for row in known.rows]) == "train"
    fallback = np.bincount(spam[train & (snorkel != 0)]).argmax()
    print(_line("snorkel, as it came", _figures(known, spam, snorkel == 0, int(fallback))))
    print()
    settings = MajorityVote()
    outcome = aggregation_of(settings)(settings, known.sources)
    for warning in sources_summary(known.sources, outcome).get("warnings", ()):
        print(warning)


def _texts(rows: list[dict[str, Any]], cache: Path) -> Texts:
    matrix = features_in("youtube_spam_weak", [row["text"] for row in rows], cache)
    families = np.unique([group_of(row) for row in rows], return_inverse=True)[1]
    return Texts(lambda: matrix, families, float(Head().l2))


def _labels(votes: NDArray[np.int64]) -> WeakLabels:
    sure = np.full((len(votes), 2), 1 / 6)
    sure[np.arange(len(votes)), np.maximum(votes, 0)] = 5 / 6
    return WeakLabels(sure, votes < 0)


def _line(name: str, of: Figures) -> str:
    return f"{name:30} {of.covered:8.3f} {of.accuracy:9.3f} {of.anywhere:6.3f}"


if __name__ == "__main__":
    main()
