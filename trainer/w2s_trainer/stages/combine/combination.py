"""The combination of one seed: its sources, their weights, and what it answers (docs/protocol.md, The combination)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import Head
from w2s_trainer.stages.combine.log_odds import mean_answer
from w2s_trainer.stages.combine.matched_scale import raised_scale
from w2s_trainer.stages.combine.sources import Answers, CombinedSources
from w2s_trainer.stages.combine.stacking import Weights, combine, fit, prior, unfitted
from w2s_trainer.stages.combine.students import description_head, gold_student, merged_head

TEACHER, STRONG, GOLD, ZERO_SHOT = "teacher", "strong", "gold", "zero-shot"
"""The sources, in the order of the protocol."""


@dataclass(frozen=True)
class Combination:
    """Sources and their weights."""

    sources: Mapping[str, Answers]
    weights: Weights
    heads: Mapping[str, Head]
    """The students that are heads on the frozen model, by source."""
    gold_labels: int
    """Gold labels that the weights were fitted on."""
    gold_l2: float | None
    """L2 of the gold student; None where there is none."""

    def probabilities(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What it answers to some rows, int64[n]: float64[n, K]."""
        return combine({name: answers(rows) for name, answers in self.sources.items()}, self.weights)

    @cached_property
    def students(self) -> Head:
        """Those students as one head, with prior and bias."""
        return merged_head(self.heads, self.weights)


def combination_of(
    known: CombinedSources, drawn: NDArray[np.int64], shown: NDArray[np.int64], seed: int
) -> Combination:
    """Finds the sources of a seed and fits their weights on its gold budget.

    Args:
        known: of the job.
        drawn: rows of the seed's gold budget, int64[m].
        shown: those of them whose label a labeler was shown.
        seed: also deals the families of the budget to folds.
    """
    drawn = np.sort(drawn)
    weak, strong = known.weak(seed), known.strong(seed)
    classes = weak.targets.shape[1]
    labels = known.gold[drawn]
    mean = strong.head.mean if strong.head else known.features[known.pool].mean(axis=0)
    gold = gold_student(
        known.features[drawn],
        labels,
        known.examples.families[drawn],
        classes=classes,
        mean=mean,
        seed=seed,
    )
    heads: dict[str, Head] = {}
    if strong.head:
        heads[STRONG] = strong.head
    if gold:
        heads[GOLD] = gold.head
    if known.descriptions is not None:
        heads[ZERO_SHOT] = description_head(known.descriptions, mean)
    sources: dict[str, Answers] = {TEACHER: known.teacher(seed), STRONG: strong.answers}
    sources |= {name: known.of_head(heads[name]) for name in (GOLD, ZERO_SHOT) if name in heads}

    start = unfitted(
        {name: mean_answer(answers(known.pool)) for name, answers in sources.items()},
        prior(_weak_shares(known, seed), labels if gold else None)
        if ZERO_SHOT in sources
        else np.zeros(classes),
    )
    if gold is None:
        return Combination(sources, start, heads, 0, None)
    unseen = ~np.isin(drawn, shown)
    said = {name: answers(drawn[unseen]) for name, answers in sources.items()}
    said |= {GOLD: gold.held_out.at(unseen)}
    families = known.examples.families[drawn[unseen]]
    raised = raised_scale(sources[TEACHER](known.pool), said[TEACHER], labels[unseen], families)
    start = replace(start, scale={**start.scale, TEACHER: raised})
    weights = fit(said, labels[unseen], start)
    return Combination(sources, weights, heads, int(unseen.sum()), gold.l2)


def _weak_shares(known: CombinedSources, seed: int) -> NDArray[np.float64]:
    """Mean of the weak labels of the pool, float64[K]."""
    weak, pool = known.weak(seed), known.examples.rows("pool")
    return np.asarray(weak.targets[pool[~weak.abstain[pool]]].mean(axis=0))
