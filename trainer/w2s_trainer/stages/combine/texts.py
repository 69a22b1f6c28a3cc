"""`combine` of texts: which of teacher's and students' texts is taken (docs/protocol.md, The choice)."""

import json
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.stage import Role
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.families.generation.choice import Sources, Weights, Written, choose, fit, unfitted
from w2s_trainer.families.generation.scores import score_of
from w2s_trainer.stages.label.opinion import drawn_budget, teaching_budget
from w2s_trainer.stages.label.shots import shown_of
from w2s_trainer.stages.tables import (
    Examples,
    WeakLabels,
    of_seed,
    read_examples,
    read_gold,
    read_labels,
    read_predictions,
)
from w2s_trainer.stages.train.predictions import CUT_OFF, PROBABILITY, Predictions

TEACHER, STRONG, GOLD = "teacher", "strong", "gold"
"""The sources, in the order in which ties are broken."""
WEIGHTS = "weights.json"
"""How the sources of each seed become one answer."""

ByArm = dict[tuple[str, int], dict[int, NDArray[Any]]]
"""A column of predictions by (arm, number of training texts) and seed."""


def choose_texts(context: StageContext) -> StageResult:
    """Fits the weights of each seed, writes them and the texts that are taken."""
    spec, family = context.spec, family_of(context.spec)
    examples = read_examples(context.artifact("examples"), context.scratch)
    known = _Known(context, examples)
    predictions = Predictions(examples, family.label_column, examples.rows("test", "oracle"))
    fitted: dict[int, Weights] = {}
    sizes: dict[int, int] = {}
    for seed in range(spec.evaluation.seeds):
        drawn = teaching_budget(context, examples, known.gold, seed)
        asked = known.on(predictions.rows, seed)
        weights = unfitted(asked)
        if len(drawn):
            budget = known.on_budget(seed, drawn)
            weights = fit(budget, known.gold[drawn].tolist(), score_of(spec.promotion.metric))
        fitted[seed], sizes[seed] = weights, len(drawn)
        taken = choose(asked, weights)
        predictions.add("combined", seed, len(drawn), taken.texts, taken.probability, taken.cut_off)
        context.progress("combining", seed + 1, spec.evaluation.seeds)
    predictions.write(context.output / "predictions.parquet")
    by_seed = {str(seed): weights.to_json() for seed, weights in fitted.items()}
    (context.output / WEIGHTS).write_text(json.dumps(by_seed))
    return StageResult(
        {
            "sources": list(fitted[0].trust),
            "weights": {
                seed: {name: round(value, 4) for name, value in weights["trust"].items()}
                for seed, weights in by_seed.items()
            },
            "goldLabels": {str(seed): size for seed, size in sizes.items()},
        }
    )


class _Known:
    """What teacher and students wrote about a job's texts."""

    def __init__(self, context: StageContext, examples: Examples) -> None:
        self._context = context
        self._examples = examples
        self._column = family_of(context.spec).label_column
        self._asked = examples.rows("budget", "test", "oracle")

    @cached_property
    def gold(self) -> NDArray[Any]:
        """Texts of the gold budget, str[N]."""
        return read_gold(self._context.artifact("gold"), "budget", self._examples, self._context.scratch)

    def on(self, rows: NDArray[np.int64], seed: int) -> Sources:
        """What each source wrote about some rows, int64[n]: the student on gold labels is that on the whole budget."""
        written = {TEACHER: self._teacher(rows, seed), STRONG: self._student("strong", rows, seed)}
        if sizes := self._sizes:
            written[GOLD] = self._student("gold-only", rows, seed, sizes[-1])
        return written

    def on_budget(self, seed: int, drawn: NDArray[np.int64]) -> Sources:
        """What each source wrote about the rows of a seed's budget that it was not trained on.

        The student on gold labels is that of the curve that was trained on half of the budget or less, on the rows of
        other families than those; the teacher wrote nothing about rows whose gold text one of its labelers was shown:
        what a model says of its own training texts proves nothing. For a student that learnt from the budget after its
        training, the one before that speaks.
        """
        written = {**self.on(drawn, seed)}
        if before := self._unfinished(drawn, seed):
            written[STRONG] = before
        written[TEACHER].texts[np.isin(drawn, self._shown(drawn, seed))] = ""
        if GOLD not in written:
            return written
        texts = np.full(len(drawn), "", dtype=object)
        probability = np.full(len(drawn), 0.5)
        if half := [size for size in self._sizes if 2 * size <= len(drawn)]:
            families = self._examples.families
            unseen = ~np.isin(families[drawn], families[drawn[: half[-1]]])
            of_half = self._student("gold-only", drawn[unseen], seed, half[-1])
            texts[unseen], probability[unseen] = of_half.texts, of_half.probability
        written[GOLD] = Written(texts, probability)
        return written

    def _shown(self, drawn: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        context, examples, family = self._context, self._examples, family_of(self._context.spec)
        by_lot = drawn_budget(context, examples, self.gold, seed)
        kinds = family.strata_of(self.gold)
        return np.concatenate(
            [shown_of(one.settings, by_lot, drawn, kinds, seed) for one in context.spec.weak.labelers]
        )

    def _teacher(self, rows: NDArray[np.int64], seed: int) -> Written:
        weak: WeakLabels = of_seed(self._labels, seed)
        texts = weak.targets[rows].copy()
        texts[weak.abstain[rows]] = ""
        return Written(texts)

    def _student(self, arm: str, rows: NDArray[np.int64], seed: int, size: int | None = None) -> Written:
        places = np.searchsorted(self._asked, rows)
        answers, probabilities, cut_off = (
            next(
                (
                    by_seed[seed]
                    for (name, of_size), by_seed in table.items()
                    if name == arm and seed in by_seed and size in (None, of_size)
                ),
                None,
            )
            for table in (self._answers, self._probabilities, self._cut_off)
        )
        assert answers is not None
        return Written(answers, probabilities, cut_off).at(places)

    def _unfinished(self, rows: NDArray[np.int64], seed: int) -> Written | None:
        """What the student wrote before a step of the finish that learns from the budget; None where there is none."""
        if "unfinished" not in self._context.job.stage.roles:
            return None
        places = np.searchsorted(self._asked, rows)
        answers, probabilities, cut_off = (
            next(
                (by_seed[seed] for (arm, _), by_seed in table.items() if arm == STRONG and seed in by_seed),
                None,
            )
            for table in self._before
        )
        assert answers is not None
        return Written(answers, probabilities, cut_off).at(places)

    @cached_property
    def _before(self) -> list[ByArm]:
        return [self._read(column, "unfinished") for column in (self._column, PROBABILITY, CUT_OFF)]

    @property
    def _sizes(self) -> list[int]:
        return sorted(size for arm, size in self._answers if arm == "gold-only")

    @cached_property
    def _labels(self) -> dict[int, WeakLabels]:
        context = self._context
        return read_labels(context.artifact("labels"), self._examples, context.scratch, self._column)

    @cached_property
    def _answers(self) -> ByArm:
        return self._read(self._column)

    @cached_property
    def _probabilities(self) -> ByArm:
        return self._read(PROBABILITY)

    @cached_property
    def _cut_off(self) -> ByArm:
        return self._read(CUT_OFF)

    def _read(self, column: str, role: Role = "students") -> ByArm:
        context = self._context
        found: ByArm = {}
        for artifact in context.artifacts(role):
            read = read_predictions(artifact, self._asked, self._examples, context.scratch, column)
            for key, by_seed in read.items():
                found.setdefault(key, {}).update(by_seed)
        return found
