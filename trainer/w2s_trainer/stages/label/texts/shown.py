"""The texts that a model is shown with what an expert wrote about them."""

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.opinion import drawn_budget
from w2s_trainer.stages.label.shots import shots_by_seed
from w2s_trainer.stages.tables import EVERY_SEED, Examples, read_gold

Shots = list[tuple[str, str]]
"""Texts and what an expert wrote about them."""


def shown_texts(
    context: StageContext, labeler: Labeler, n: int, examples: Examples
) -> dict[int, tuple[NDArray[np.int64], Shots]]:
    """By seed the n rows of the budget that are shown, and they themselves; EVERY_SEED alone where none are.

    Raises:
        BadSpec: a seed's budget is smaller.
    """
    if not n:
        return {EVERY_SEED: (np.empty(0, dtype=np.int64), [])}
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    kinds = family_of(context.spec).strata_of(gold)
    seeds = range(context.spec.evaluation.seeds)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
    return {
        seed: (rows, list(zip(examples.texts.take(rows), gold[rows].tolist(), strict=True)))
        for seed, rows in shots_by_seed(context, labeler, n, budgets, kinds).items()
    }
