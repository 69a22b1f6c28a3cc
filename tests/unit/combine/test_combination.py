"""The combination of a seed, on made-up texts: 60 of the pool, 24 of the budget, 3 classes."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest

from w2s_trainer.models.head import Head, fit
from w2s_trainer.stages.combine.combination import combination_of
from w2s_trainer.stages.combine.log_odds import from_logits, from_probabilities, log_softmax
from w2s_trainer.stages.combine.matched_scale import raised_scale
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.combine.stacking import fit as fit_weights
from w2s_trainer.stages.combine.students import gold_student
from w2s_trainer.stages.tables import Examples, WeakLabels

K, POOL, BUDGET = 3, 60, 24
N = POOL + BUDGET
TRUTH = np.arange(N) % K
DRAWN = np.arange(POOL, N)
NONE = DRAWN[:0]


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features float32[N, 8], what the teacher says float64[N, K], and where it abstains."""
    rng = np.random.default_rng(0)
    features = (np.eye(8)[TRUTH] + 0.6 * rng.normal(size=(N, 8))).astype(np.float32)
    votes = np.where(rng.random(N) < 0.7, TRUTH, rng.integers(0, K, N))
    return features, np.eye(K)[votes] * 0.7 + 0.1, rng.random(N) < 0.3


FEATURES, SAID, SILENT = made_up()
STRONG = fit(FEATURES[:POOL], SAID[:POOL], (~SILENT[:POOL]).astype(float), 0.3)


@dataclass
class Tuned:
    """A student that is no head on the frozen model."""

    head: Head | None = None

    def answers(self, rows):
        return from_logits(STRONG.logits(FEATURES[rows]))


@dataclass
class OnFrozenModel(Tuned):
    head: Head | None = STRONG


@dataclass
class Known(CombinedSources):
    """As `CombinedSources`, without artifacts."""

    student: Tuned = field(default_factory=OnFrozenModel)
    said: np.ndarray = field(default_factory=lambda: SAID)
    labels: np.ndarray = field(default_factory=lambda: np.where(np.arange(N) < POOL, -1, TRUTH))
    described: np.ndarray | None = None
    features = FEATURES
    pool = np.arange(POOL)

    @cached_property
    def examples(self):
        parts = np.where(np.arange(N) < POOL, "pool", "budget")
        return Examples([f"id{i}" for i in range(N)], [""] * N, parts, np.arange(N))

    @property
    def gold(self):
        return self.labels

    @property
    def descriptions(self):
        return self.described

    def weak(self, _seed):
        return WeakLabels(self.said, SILENT)

    def strong(self, _seed):
        return self.student


DESCRIBED = np.eye(8)[:K].astype(np.float32)


def test_weights_are_fitted_on_what_the_gold_student_says_out_of_fold():
    known = Known(described=DESCRIBED)
    made = combination_of(known, DRAWN, NONE, seed=1)
    gold = gold_student(
        FEATURES[DRAWN], TRUTH[DRAWN], np.arange(POOL, N), classes=K, mean=STRONG.mean, seed=1
    )
    said = {name: answers(DRAWN) for name, answers in made.sources.items()} | {"gold": gold.held_out}
    pool = np.arange(POOL)
    raised = raised_scale(made.sources["teacher"](pool), said["teacher"], TRUTH[DRAWN], np.arange(POOL, N))
    start = replace(made.weights, scale={**dict.fromkeys(said, 1.0), "teacher": raised})
    expected = fit_weights(said, TRUTH[DRAWN], start)
    assert dict(made.weights.scale) == pytest.approx(dict(expected.scale))
    in_sample = fit_weights(
        {name: answers(DRAWN) for name, answers in made.sources.items()}, TRUTH[DRAWN], start
    )
    assert in_sample.scale["gold"] > made.weights.scale["gold"] + 0.01
    assert list(made.sources) == ["teacher", "strong", "gold", "zero-shot"]
    assert (made.gold_labels, made.gold_l2) == (BUDGET, gold.l2)


def test_a_teacher_that_is_right_more_often_than_it_claims_counts_more():
    right = np.eye(K)[TRUTH] * 0.4 + 0.2  # of three classes .6, and always right
    counts, lowered = (
        combination_of(Known(said=said), DRAWN, NONE, seed=0).weights.scale["teacher"]
        for said in (right, right[:, [1, 2, 0]])
    )
    assert counts > 1.5
    assert lowered < 1


def test_texts_whose_label_a_labeler_was_shown_do_not_count():
    shown = DRAWN[:10]
    lying = SAID.copy()
    lying[shown] = SAID[shown][:, [1, 2, 0]]
    honest, changed = (
        combination_of(Known(said=said), DRAWN, shown, seed=0).weights for said in (SAID, lying)
    )
    assert dict(changed.scale) == pytest.approx(dict(honest.scale))
    everything = combination_of(Known(said=lying), DRAWN, NONE, seed=0).weights
    assert everything.scale["teacher"] < honest.scale["teacher"]


def test_the_merged_students_and_the_teacher_are_the_combination():
    made = combination_of(Known(described=DESCRIBED), DRAWN, NONE, seed=0)
    rows = np.arange(N)
    relative = from_probabilities(SAID).log_odds - made.weights.mean_answer["teacher"]
    teacher = np.where(SILENT[:, None], 0.0, made.weights.scale["teacher"] * relative)
    assert np.exp(log_softmax(made.students.logits(FEATURES) + teacher)) == pytest.approx(
        made.probabilities(rows)
    )


def test_the_order_in_which_the_budget_was_drawn_changes_nothing():
    first, second = (
        combination_of(Known(), drawn, NONE, seed=0).probabilities(np.arange(N))
        for drawn in (DRAWN, DRAWN[::-1])
    )
    assert first.tolist() == second.tolist()


def test_a_budget_of_one_class_teaches_nothing():
    labels = np.where(np.arange(N) < POOL, -1, 2)
    made = combination_of(Known(labels=labels, described=DESCRIBED), DRAWN, NONE, seed=0)
    assert list(made.sources) == ["teacher", "strong", "zero-shot"]
    assert set(made.weights.scale.values()) == {1.0}
    assert (made.gold_labels, made.gold_l2) == (0, None)


def test_a_tuned_student_is_combined_with_a_head_on_the_frozen_model():
    made = combination_of(Known(student=Tuned()), DRAWN, NONE, seed=0)
    assert list(made.sources) == ["teacher", "strong", "gold"]
    assert list(made.heads) == ["gold"]
    assert made.heads["gold"].mean == pytest.approx(FEATURES[:POOL].mean(axis=0))


def test_it_is_better_than_each_of_its_parts_where_all_know_something():
    made = combination_of(Known(described=DESCRIBED), DRAWN, NONE, seed=0)
    pool = np.arange(POOL)
    right = (made.probabilities(pool).argmax(axis=1) == TRUTH[:POOL]).mean()
    teacher = ((SAID[:POOL].argmax(axis=1) == TRUTH[:POOL]) & ~SILENT[:POOL]).mean()
    assert right >= max(teacher, (STRONG.logits(FEATURES[:POOL]).argmax(axis=1) == TRUTH[:POOL]).mean())
