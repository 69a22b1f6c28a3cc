"""What `prepare` and the labelers know of a job before a student is trained (docs/report.md, What is known beforehand)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
from w2s_api.stage import Role
from w2s_trainer.families import TaskFamily, family_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.families.intervals import effective_size, share_interval
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    WeakLabels,
    of_seed,
    read_asked,
    read_examples,
    read_gold,
    read_labels,
)
from w2s_trainer.store.artifacts import Artifact
from w2s_trainer.tally import tally_of

KNOWN = "beforehand"
"""Where the summary of `aggregate` has the facts."""
_MOST_COMPARED = 20_000
"""Texts of the pool on which labelers are compared."""

Artifacts = Callable[[Role], Sequence[Artifact]]


@dataclass(frozen=True)
class Labelled:
    """What the labelers said of N texts, and what experts did."""

    examples: Examples
    gold: NDArray[Any]
    """[N], of the budget alone."""
    asked: NDArray[np.int64]
    """Rows of the budget that `w2s ask` chose."""
    labels: Mapping[int, WeakLabels]
    """By seed; of EVERY_SEED alone where no draw changes them."""
    opinions: Sequence[WeakLabels]
    """Of each labeler, of the first seed."""
    labelers: Sequence[Mapping[str, Any]]
    """Their summaries, whole."""
    prepared: Mapping[str, Any]
    """The summary of `prepare`."""


def asked_for(spec: Spec) -> dict[str, Any]:
    """What of a spec the facts depend on beside the artifacts that they are of."""
    return {
        "goldBudget": spec.data.gold_budget,
        "seeds": spec.evaluation.seeds,
        "metric": spec.promotion.metric,
        "positiveThreshold": spec.evaluation.positive_threshold,
    }


def facts_of(spec: Spec, artifacts: Artifacts, scratch: Path) -> dict[str, Any] | None:
    """The facts of a job whose labels were aggregated: those that `aggregate` has left, or anew.

    The key of `aggregate` does not hold the size of the budget, so that its artifact may be of a job with another one.

    Args:
        spec: of the job.
        artifacts: by role, `labels` among them.
        scratch: a directory for downloads.

    Returns:
        JSON; None where there is no gold budget.
    """
    (labels,) = artifacts("labels")
    left: Mapping[str, Any] | None = labels.summary.get(KNOWN)
    if left is not None and left["of"] == asked_for(spec):
        return dict(left)
    column = family_of(spec).label_column

    def read(examples: Examples) -> dict[int, WeakLabels]:
        return read_labels(labels, examples, scratch, column)

    (texts,) = artifacts("examples")
    examples = read_examples(texts, scratch)
    opinions = [read_labels(one, examples, scratch, column) for one in artifacts("opinions")]
    return facts_from(spec, examples, read(examples), opinions, artifacts, scratch)


def facts_from(
    spec: Spec,
    examples: Examples,
    labels: Mapping[int, WeakLabels],
    opinions: Sequence[Mapping[int, WeakLabels]],
    artifacts: Artifacts,
    scratch: Path,
) -> dict[str, Any] | None:
    """The facts of labels that were read or made already; otherwise as `facts_of`.

    Args:
        spec: of the job.
        examples: N texts.
        labels: what was aggregated, by seed.
        opinions: of each labeler, by seed.
        artifacts: by role.
        scratch: a directory for downloads.
    """
    (prepared,) = artifacts("gold")
    if "gold-budget/labels.parquet" not in prepared.files or not len(examples.rows("budget")):
        return None
    labelled = Labelled(
        examples,
        read_gold(prepared, "budget", examples, scratch),
        read_asked(prepared, examples, scratch),
        labels,
        [of_seed(one, FIRST_SEED) for one in opinions],
        [whole_summary(one.summary) for one in artifacts("opinions")],
        prepared.summary,
    )
    return facts(spec, family_of(spec), labelled)


def facts(spec: Spec, family: TaskFamily, labelled: Labelled) -> dict[str, Any]:
    """The facts themselves. Pure.

    Args:
        spec: of the job.
        family: of its task.
        labelled: texts and labels.
    """
    examples, gold = labelled.examples, labelled.gold
    pool = examples.rows("pool")
    first: WeakLabels = of_seed(labelled.labels, min(labelled.labels))
    covered = pool[~first.abstain[pool]]
    drawn = dict(_drawn(spec, family, labelled))
    settings = [labeler.settings for labeler in spec.weak.labelers]
    known = {
        "of": asked_for(spec),
        "budget": len(drawn[FIRST_SEED]) + len(labelled.asked),
        "pool": len(pool),
        "covered": len(covered),
        "agreement": _agreement(labelled.opinions, pool, family),
        "sawBudget": any(one.learns_budget or one.shown_labels() for one in settings),
        "silent": {name: count for name, count in _silent(labelled.labelers) if count},
        "testSize": labelled.prepared.get("effectiveTestSize"),
        "smallestProvableGain": labelled.prepared.get("smallestProvableGain"),
        **family.pool_facts(
            first.targets[covered], [gold[rows] for rows in drawn.values()], gold[labelled.asked]
        ),
    }
    seen = [_teacher(spec, family, labelled, seed, rows) for seed, rows in drawn.items() if len(rows)]
    return {**{name: fact for name, fact in known.items() if fact is not None}, "teacher": _means(seen)}


def _drawn(spec: Spec, family: TaskFamily, labelled: Labelled) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The rows that each seed draws; of the first alone where nothing depends on the draw."""
    rows = np.setdiff1d(labelled.examples.rows("budget"), labelled.asked)
    ids, strata = labelled.examples.ids.take(rows), family.strata_of(labelled.gold[rows])
    differ = spec.data.gold_budget is not None or list(labelled.labels) != [EVERY_SEED]
    for seed in range(FIRST_SEED, FIRST_SEED + (spec.evaluation.seeds if differ else 1)):
        yield seed, rows[draw(ids, strata, spec.data.gold_budget, seed)]


def _teacher(
    spec: Spec, family: TaskFamily, labelled: Labelled, seed: int, rows: NDArray[np.int64]
) -> dict[str, float]:
    """How good the teacher is on a seed's budget; where it abstains, what is typical of it counts as its answer."""
    weak: WeakLabels = of_seed(labelled.labels, seed)
    pool, silent = labelled.examples.rows("pool"), weak.abstain[rows]
    answers = weak.targets[rows].copy()
    if silent.any():
        answers[silent] = family.typical(weak.targets[pool[~weak.abstain[pool]]])
    test = GoldTest(labelled.gold[rows], labelled.examples.families[rows], spec.promotion.metric, family)
    found = {"texts": float((~silent).sum()), **family.teacher_facts(test, answers, silent)}
    wrong = family.is_wrong(test, answers)
    if wrong is not None:
        low, high = share_interval(float(wrong.mean()), effective_size(test.families))
        found |= {"wrong": float(wrong.mean()), "wrongLow": low, "wrongHigh": high}
    return found


def _agreement(opinions: Sequence[WeakLabels], pool: NDArray[np.int64], family: TaskFamily) -> float | None:
    """Of pairs of labelers that both answer a text, the share that says the same; None without such pairs."""
    some = pool[:: max(1, -(-len(pool) // _MOST_COMPARED))]
    same = both = 0
    for left, right in combinations(opinions, 2):
        here = some[~left.abstain[some] & ~right.abstain[some]]
        both += len(here)
        same += int((~family.differ(left.targets[here], right.targets[here])).sum())
    return round(same / both, 6) if both else None


def _silent(labelers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Of each labeler how many of its rules, or functions, never vote on the pool."""
    for labeler in labelers:
        functions: Mapping[str, Any] = next(iter(labeler.get("functions", {}).values()), {"votes": {}})
        counts = [*(tally_of(labeler) or {}).get("rules", []), *functions["votes"].values()]
        yield labeler["labeler"], sum(not count for count in counts)


def _means(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the seeds that have it."""
    names = dict.fromkeys(name for one in seeds for name in one)
    return {name: round(float(np.mean([one[name] for one in seeds if name in one])), 6) for name in names}
