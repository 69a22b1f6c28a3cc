"""The texts that a model is shown with what an expert wrote about them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Prompted
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.nearest import Neighbours
from w2s_trainer.stages.label.opinion import drawn_budget
from w2s_trainer.stages.label.prompting import neighbourhoods
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
    nearest: NDArray[np.int64] | None = None
    """int64[m, s], of each of the m texts that are asked about the places of its shots, in the order in which they are
    shown; None: every text has all of them."""
    neighbours: Neighbours | None = None
    """Where the n texts are among others, if `nearest` ones are shown."""

    @property
    def proving_nothing(self) -> NDArray[np.int64]:
        """Rows of which what is written about them proves nothing: no text is among the nearest shots of its own."""
        return self.rows if self.nearest is None else self.rows[:0]

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
    gold, budgets = _budgets(context, examples)
    family = family_of(context.spec)
    return {
        seed: Shots(rows, examples.texts.take(rows), family.gold_targets(gold[rows]).tolist())
        for seed, rows in shots_by_seed(context, labeler, n, budgets, family.strata_of(gold)).items()
    }


def nearest_texts(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Shots]:
    """By seed all texts of its budget, and which of them each of some rows, int64[m], is shown: the most like it, and none of
    its own family.

    Raises:
        BadSpec: a text of a budget has fewer than `shots` texts of other families there.
    """
    settings: Prompted = labeler.settings
    gold, budgets = _budgets(context, examples)
    family = family_of(context.spec)
    return {
        seed: Shots(
            budgets[seed],
            examples.texts.take(budgets[seed]),
            family.gold_targets(gold[budgets[seed]]).tolist(),
            among.nearest(rows, settings.shots),
            among.neighbours,
        )
        for seed, among in neighbourhoods(context, labeler, examples, budgets).items()
    }


def _budgets(
    context: StageContext, examples: Examples
) -> tuple[NDArray[np.object_], dict[int, NDArray[np.int64]]]:
    """Gold texts of the budget, [N], and its rows as each seed draws them."""
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    seeds = range(context.spec.evaluation.seeds)
    return gold, {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
