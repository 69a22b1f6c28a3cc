"""The texts that a model is shown with what an expert wrote about them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.opinion import drawn_budget
from w2s_trainer.stages.label.shots import shots_by_seed
from w2s_trainer.stages.tables import EVERY_SEED, Examples, read_gold


@dataclass(frozen=True)
class Shots:
    """Texts and what an expert wrote about them."""

    rows: NDArray[np.int64]
    """int64[n], of the budget."""
    texts: Sequence[str]
    """n of them, with the fields beside them."""
    answers: Sequence[str]
    """n texts by experts."""

    def read(self, texts: Sequence[str]) -> list[tuple[str, str]]:
        """What a model reads of each, n texts, with what an expert wrote about it."""
        return list(zip(texts, self.answers, strict=True))


def shown_texts(context: StageContext, labeler: Labeler, n: int, examples: Examples) -> dict[int, Shots]:
    """By seed the n texts of the budget that are shown; EVERY_SEED alone where none are.

    Raises:
        BadSpec: a seed's budget is smaller.
    """
    if not n:
        return {EVERY_SEED: Shots(np.empty(0, dtype=np.int64), (), ())}
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    family = family_of(context.spec)
    kinds = family.strata_of(gold)
    seeds = range(context.spec.evaluation.seeds)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
    return {
        seed: Shots(rows, examples.texts.take(rows), family.gold_targets(gold[rows]).tolist())
        for seed, rows in shots_by_seed(context, labeler, n, budgets, kinds).items()
    }
