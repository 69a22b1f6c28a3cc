"""Pairs of texts of which one is preferred, made from the job itself: the experts' over the teacher's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.families.generation.errors import differs
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.session import hold_out
from w2s_trainer.stages.tables import Examples, WeakLabels, of_seed, read_gold, read_labels


@dataclass(frozen=True)
class PreferencePairs:
    """n pairs of answers to texts of the budget."""

    rows: NDArray[np.int64]
    """int64[n], the texts among all examples."""
    preferred: Sequence[str]
    """n answers."""
    other: Sequence[str]
    """n answers that are worse."""
    held_out: NDArray[np.bool_]
    """bool[n]: those that are not learnt from."""


def preference_pairs(
    context: StageContext, examples: Examples, fraction: float, seed: int
) -> PreferencePairs:
    """The experts' text over the teacher's, for each text of the seed's budget of which both wrote something else.

    Args:
        context: of the stage.
        examples: of the job.
        fraction: of the pairs that are held out, whole families.
        seed: whose budget it is.

    Raises:
        BadData: there are too few to learn from some and measure on others.
    """
    family = family_of(context.spec)
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    labels = read_labels(context.artifact("labels"), examples, context.scratch, family.label_column)
    weak: WeakLabels = of_seed(labels, seed)
    budget = teaching_budget(context, examples, gold, seed)
    written = np.array([bool(str(text).strip()) for text in weak.targets[budget]], dtype=bool)
    apart = ~weak.abstain[budget] & written & differs(weak.targets[budget], gold[budget])
    rows = budget[apart]
    families = examples.families[rows]
    if len(np.unique(families)) < 2:
        raise BadData(
            "TooFewPairs",
            f"Of {len(budget):,} texts of the gold budget there are {len(rows):,} of which the teacher wrote another text than"
            f" the expert, in {len(np.unique(families)):,} families: a step Align needs two, one to learn from and one to"
            " measure on.",
            "Give a larger `data.goldBudget`, or leave the step out: a teacher that writes what experts write has nothing to be"
            " preferred to.",
        )
    return PreferencePairs(
        rows,
        family.gold_targets(gold[rows]).tolist(),
        weak.targets[rows].tolist(),
        hold_out(families, fraction, seed),
    )
