"""Rounds of self-training on made-up texts: 90 of the pool, 40 of the budget, 3 classes; and the rule that stops them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from w2s_trainer.models.head import Head, fit, folds_of
from w2s_trainer.stages.combine.combination import combination_of
from w2s_trainer.stages.combine.log_odds import from_logits, log_softmax, mean_answer
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.combine.stacking import combine
from w2s_trainer.stages.tables import Examples, WeakLabels
from w2s_trainer.stages.train.self_training import last_accepted, loss_of, train_round

K, POOL, BUDGET = 3, 90, 40
N = POOL + BUDGET
TRUTH = np.arange(N) % K
DRAWN, NONE = np.arange(POOL, N), np.arange(0)
FAMILIES = np.where(np.arange(N) < POOL, np.arange(N), np.arange(N) // 2)


@pytest.mark.parametrize(
    ("losses", "rounds", "accepted"),
    [
        ([0.9, 0.8], 2, 2),
        ([0.8, 0.9], 2, 1),
        ([0.8, 0.8], 2, 1),  # a round that adds nothing is not accepted
        ([0.9, 0.8, 0.7, 0.6], 4, 4),
        ([0.9, 0.8, 0.8, 0.1], 4, 2),  # what follows the stop is not looked at
        ([0.9, 1.0, 0.1, 0.0], 4, 1),
        ([0.9, 0.8, float("nan")], 3, 2),
        ([0.9], 1, 1),
        ([], 3, 3),  # nothing to hold a round against: the number is fixed
        ([], 1, 1),
    ],
)
def test_a_round_is_accepted_while_each_is_better_than_the_one_before(losses, rounds, accepted):
    assert last_accepted(losses, rounds) == accepted


def test_a_loss_for_each_round_or_none():
    with pytest.raises(ValueError, match="3 rounds and 2 losses"):
        last_accepted([0.9, 0.8], 3)


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features float32[N, 8], what the teacher says float64[N, K], and where it abstains."""
    rng = np.random.default_rng(0)
    features = (np.eye(8)[TRUTH] + 0.7 * rng.normal(size=(N, 8))).astype(np.float32)
    votes = np.where(rng.random(N) < 0.6, TRUTH, rng.integers(0, K, N))
    return features, np.eye(K)[votes] * 0.7 + 0.1, rng.random(N) < 0.3


FEATURES, SAID, SILENT = made_up()
STRONG = fit(FEATURES[:POOL], SAID[:POOL], (~SILENT[:POOL]).astype(float), 0.3)


@dataclass
class Student:
    head: Head = STRONG

    def answers(self, rows):
        return from_logits(self.head.logits(FEATURES[rows]))


@dataclass
class Known(CombinedSources):
    """As `CombinedSources`, without artifacts."""

    labels: np.ndarray = field(default_factory=lambda: np.where(np.arange(N) < POOL, -1, TRUTH))
    features = FEATURES
    pool = np.arange(POOL)
    descriptions = None
    examples = Examples(
        [f"id{i}" for i in range(N)], [""] * N, np.where(np.arange(N) < POOL, "pool", "budget"), FAMILIES
    )

    @property
    def gold(self):
        return self.labels

    def weak(self, _seed):
        return WeakLabels(SAID, SILENT)

    def strong(self, _seed):
        return Student()


def teach(labels):
    return fit(FEATURES[:POOL], labels, np.ones(POOL), 1.0)


def best_loss(log_odds, rows):
    """By a fine grid of temperatures: an oracle that is slow and simple."""
    losses = [
        -log_softmax(log_odds / t)[np.arange(len(rows)), TRUTH[rows]].mean()
        for t in np.geomspace(0.05, 20, 4001)
    ]
    return float(min(losses))


def test_the_student_learns_what_the_combination_says_of_the_whole_pool():
    made = train_round(Known(), DRAWN, NONE, 0, teach, None)
    combination = combination_of(Known(), DRAWN, NONE, seed=0)
    expected = teach(combination.probabilities(np.arange(POOL)))
    assert made.student.weight == pytest.approx(expected.weight)
    assert len(made.losses) == 2


def test_losses_are_of_what_was_made_without_the_gold_labels_of_the_fold():
    made = train_round(Known(), DRAWN, NONE, 3, teach, None)
    fold = folds_of(FAMILIES[DRAWN], 3)
    first, second = np.zeros((BUDGET, K)), np.zeros((BUDGET, K))
    for number in range(5):
        rows = DRAWN[fold == number]
        combination = combination_of(Known(), DRAWN[fold != number], NONE, seed=3)
        student = teach(combination.probabilities(np.arange(POOL)))
        first[fold == number] = np.log(combination.probabilities(rows))
        second[fold == number] = student.logits(FEATURES[rows])
    assert made.losses == pytest.approx((best_loss(first, DRAWN), best_loss(second, DRAWN)), abs=1e-5)
    assert set(made.without) == set(range(5))


def test_a_gold_label_tells_nothing_of_its_own_family():
    """Other labels in a fold change every student but the one that was taught without it."""
    rng = np.random.default_rng(1)
    wrong = Known().gold.copy()
    wrong[DRAWN] = rng.permutation(wrong[DRAWN])
    other = wrong.copy()
    held_out = folds_of(FAMILIES[DRAWN], 0) == 2
    other[DRAWN[held_out]] = (other[DRAWN[held_out]] + 1) % K
    one, two = (train_round(Known(labels=labels), DRAWN, NONE, 0, teach, None) for labels in (wrong, other))
    assert one.without[2].weight == pytest.approx(two.without[2].weight), "it read labels of its own fold"
    assert np.abs(one.without[1].weight - two.without[1].weight).max() > 1e-6


def test_in_a_later_round_the_student_before_takes_the_place_of_strong():
    before = train_round(Known(), DRAWN, NONE, 0, teach, None)
    made = train_round(Known(), DRAWN, NONE, 0, teach, before)
    combination = combination_of(Known(), DRAWN, NONE, seed=0)
    rows = np.arange(POOL)
    said = {name: answers(rows) for name, answers in combination.sources.items()}
    said["strong"] = from_logits(before.student.logits(FEATURES[rows]))
    means = {**combination.weights.mean_answer, "strong": mean_answer(said["strong"])}
    labels = combine(said, replace(combination.weights, mean_answer=means))
    assert made.student.weight == pytest.approx(teach(labels).weight)
    assert made.losses[:2] == before.losses
    assert len(made.losses) == 3


def test_texts_whose_label_a_labeler_was_shown_are_not_counted():
    shown = DRAWN[:10]
    made = train_round(Known(), DRAWN, DRAWN, 0, teach, None)
    assert (made.losses, dict(made.without)) == ((), {})
    some = train_round(Known(), DRAWN, shown, 0, teach, None)
    fold = folds_of(FAMILIES[DRAWN], 0)
    counted = np.setdiff1d(DRAWN, shown)
    heads = [some.without[number] for number in fold[np.isin(DRAWN, counted)]]
    said = np.array([head.logits(FEATURES[[row]])[0] for head, row in zip(heads, counted, strict=True)])
    assert some.losses[1] == pytest.approx(best_loss(said, counted), abs=1e-5)


def test_being_too_sure_is_no_loss():
    rng = np.random.default_rng(0)
    said = rng.normal(size=(50, K))
    labels = np.where(rng.random(50) < 0.7, said.argmax(axis=1), np.arange(50) % K)
    plain, sure = (np.exp(log_softmax(times * said)) for times in (1.0, 3.0))
    assert loss_of(sure, labels) == pytest.approx(loss_of(plain, labels), abs=1e-5)


@pytest.mark.parametrize(
    "drawn", [NONE, DRAWN[DRAWN % K == 0], DRAWN[:2]], ids=["none", "one class", "one family"]
)
def test_without_a_budget_to_judge_by_all_rounds_are_accepted(drawn):
    before = None
    for _ in range(3):
        before = train_round(Known(), drawn, NONE, 0, teach, before)
        assert (before.losses, dict(before.without)) == ((), {})
    assert last_accepted(before.losses, 4) == 4


def test_the_order_in_which_the_budget_was_drawn_changes_nothing():
    one, two = (train_round(Known(), drawn, NONE, 0, teach, None) for drawn in (DRAWN, DRAWN[::-1]))
    assert one.losses == two.losses
