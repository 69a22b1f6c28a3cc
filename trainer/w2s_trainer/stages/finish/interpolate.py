"""Step `Interpolate`: between a student and the model that it was tuned from (Wortsman et al. 2022, arXiv 2109.01903)."""

import math
import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.finish_steps import Interpolate
from w2s_api.metrics import METRICS
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.evaluate.metrics import replicates_of
from w2s_trainer.stages.finish.before import StudentBefore
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.tables import Examples, read_gold
from w2s_trainer.tuning.precision import precision_of
from w2s_trainer.tuning.tunings import tuning_method


def finish(context: StageContext, settings: Interpolate, examples: Examples) -> tuple[Any, dict[str, Any]]:
    """Interpolates; of several shares the one is taken whose answers on the gold budget of the seed are best."""
    import torch

    began = time.monotonic()
    before = StudentBefore.load(context, precision_of("cuda" if torch.cuda.is_available() else "cpu"))
    shares = [float(share) for share in settings.shares]
    figures: dict[str, Any] = {"share": shares[0]}
    if settings.reads_budget:
        figures = _chosen(context, before, examples, shares)
    at(before, figures["share"])
    return before.student, {**figures, "seconds": round(time.monotonic() - began, 1)}


def at(before: StudentBefore, share: float) -> None:
    """Gives the student the weights (1 − α) θ_base + α θ_tuned; a head that the model did not have before stays as it was.

    Args:
        before: its student is changed in place.
        share: α, from 0 to 1.
    """
    student = before.student
    method, weights = tuning_method(student.tuning), student.parameters()

    def one(name: str) -> Any:
        is_new = student.has_new_head and student.head in name.split(".")
        if is_new or name not in weights:
            return before.tuned[name]
        return method.interpolated(name, before.base[name], before.tuned[name], share)

    student.load({name: one(name) for name in before.tuned})


def best_share(shares: list[float], values: list[float], higher_is_better: bool) -> int:
    """The place of the share with the best value; of equal ones the largest share. What is no number is worst. Pure."""
    sign = 1.0 if higher_is_better else -1.0
    merit = [-math.inf if math.isnan(value) else sign * value for value in values]
    return max(range(len(shares)), key=lambda place: (merit[place], shares[place]))


def _chosen(
    context: StageContext, before: StudentBefore, examples: Examples, shares: list[float]
) -> dict[str, Any]:
    seed, metric = context.job.stage.seed, context.spec.promotion.metric
    assert seed is not None
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    rows = teaching_budget(context, examples, gold, seed)
    values = []
    for place, share in enumerate(shares):
        at(before, share)
        values.append(_value(context, before.student, examples, rows, gold))
        context.progress("choosing", place + 1, len(shares))
    best = best_share(shares, values, METRICS[metric].higher_is_better)
    return {
        "share": shares[best],
        "metric": metric,
        "goldLabels": len(rows),
        "shares": [
            {"share": share, "value": None if math.isnan(value) else round(value, 6)}
            for share, value in zip(shares, values, strict=True)
        ],
    }


def _value(
    context: StageContext, student: Any, examples: Examples, rows: NDArray[np.int64], gold: NDArray[Any]
) -> float:
    """The declared metric of the student's answers on some rows of the budget."""
    spec, family = context.spec, family_of(context.spec)
    texts = examples.texts.take(rows)
    answers = family.student_answers(
        student,
        texts,
        family.student_tokens(student, texts, spec.strong.max_tokens),
        max_tokens=spec.strong.max_tokens,
        batch_tokens=spec.strong.batch_tokens,
        progress=partial(context.progress, "asking about the budget"),
    )
    asked = GoldTest(gold[rows], examples.families[rows], spec.promotion.metric, family)
    one_family, whole = np.zeros(len(rows), dtype=np.int64), np.ones((1, 1))
    value, _ = replicates_of(spec.promotion.metric)(asked, answers.values, one_family, whole)
    return float(value)
