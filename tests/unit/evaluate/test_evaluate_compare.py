"""What the report is told: values, comparisons, PGR, imitation, coverage."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluate_kit import ArmAnswers, Arms, GoldTest, gold_test, right_on, says

from w2s_api.arms import ARMS
from w2s_trainer.families.classification.errors import imitation, positive_counts
from w2s_trainer.families.classification.words import given_up
from w2s_trainer.stages.evaluate.compare import compare, notes
from w2s_trainer.stages.evaluate.predictions import cascade_answers

GOLD = np.arange(200) % 2
TRAINED = {"strong": 500, "ceiling": 500}


def result(test: GoldTest, arms: Arms, seed: int = 0, candidate: str = "strong") -> dict[str, Any]:
    return compare(test, arms, ARMS[candidate], np.random.default_rng(seed))


def three_arms(**changed: float) -> Arms:
    """Right on the same first items: weak on .7, strong on .8, ceiling on .9."""
    shares = {"weak": 0.7, "strong": 0.8, "ceiling": 0.9, **changed}
    return Arms({arm: right_on(GOLD, share) for arm, share in shares.items()}, trained_on=TRAINED)


def noisy(rng: np.random.Generator, gold: np.ndarray, right: float, seeds: int) -> ArmAnswers:
    return says(np.where(rng.random((seeds, len(gold))) < right, gold, 1 - gold))


def test_share_of_the_gap_closed_by_hand() -> None:
    """The example of the reference: weak .70, strong .80, ceiling .90 close half of the gap."""
    pgr = result(gold_test(GOLD), three_arms())["pgr"]
    assert pgr["estimate"] == pytest.approx(0.5)
    assert 0 < pgr["low"] < 0.5 < pgr["high"] < 1


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        pytest.param(three_arms(ceiling=0.71), "the ceiling is not clearly above weak", id="no clear gap"),
        pytest.param(three_arms(ceiling=0.5), "the ceiling is not clearly above weak", id="below"),
        pytest.param(
            replace(three_arms(), trained_on={"strong": 500, "ceiling": 499}),
            "trained on 499 gold labels, strong on 500",
            id="fewer labels: a reference, not a ceiling",
        ),
        pytest.param(
            Arms({"weak": right_on(GOLD, 0.7), "strong": right_on(GOLD, 0.8)}, trained_on=TRAINED),
            "there is no ceiling",
            id="no ceiling",
        ),
    ],
)
def test_share_of_the_gap_is_refused(arms: Arms, why: str) -> None:
    pgr = result(gold_test(GOLD), arms)["pgr"]
    assert why in pgr["refused"]
    assert "estimate" not in pgr


def test_share_of_the_gap_carries_the_spread_of_the_seeds() -> None:
    steady = {"weak": right_on(GOLD, 0.6), "ceiling": right_on(GOLD, 0.95)}
    same = Arms({**steady, "strong": right_on(GOLD, 0.8, 0.8, 0.8)}, trained_on=TRAINED)
    apart = Arms({**steady, "strong": right_on(GOLD, 0.7, 0.8, 0.9)}, trained_on=TRAINED)
    narrow, wide = result(gold_test(GOLD), same)["pgr"], result(gold_test(GOLD), apart)["pgr"]
    assert narrow["estimate"] == pytest.approx(wide["estimate"])
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


def test_comparisons_come_in_the_declared_order_and_the_rest_is_exploratory() -> None:
    arms = {
        arm: right_on(GOLD, 0.7)
        for arm in ("ceiling", "cascade", "unfiltered", "gold-only", "zero-shot", "weak", "strong")
    }
    found = result(gold_test(GOLD), Arms(arms, trained_on=TRAINED))
    assert [one["baseline"] for one in found["comparisons"]] == [
        "weak",
        "zero-shot",
        "gold-only",
        "unfiltered",
    ]
    assert not any(one["exploratory"] for one in found["comparisons"])
    assert found["exploratory"]
    assert all(one["exploratory"] for one in found["exploratory"])


@pytest.mark.parametrize(
    ("strong", "verdict"), [(0.9, "better"), (0.71, "no clear difference"), (0.5, "worse")]
)
def test_verdict(strong: float, verdict: str) -> None:
    gain = result(gold_test(GOLD), three_arms(strong=strong))["comparisons"][0]
    assert gain["verdict"] == verdict
    assert gain["estimate"] == pytest.approx(strong - 0.7)
    assert (gain["families"], gain["seeds"]) == (200, 1)


def test_pairing_sees_a_small_gain_that_hangs_together() -> None:
    """Strong is right wherever weak is, and on 5 % more: unpaired, the interval would include 0."""
    gain = result(gold_test(GOLD), three_arms(strong=0.75))["comparisons"][0]
    assert gain["low"] > 0
    arms = {one["arm"]: one["metrics"]["Accuracy"] for one in result(gold_test(GOLD), three_arms())["arms"]}
    assert arms["strong"]["low"] < arms["weak"]["high"]


def random_arms(seed: int, gold: np.ndarray, seeds: int = 3) -> Arms:
    rng = np.random.default_rng(seed)
    arms = {"strong": noisy(rng, gold, 0.8, seeds), "weak": noisy(rng, gold, 0.7, 1)}
    return Arms(arms, {size: noisy(rng, gold, 0.6 + size / 320, seeds).values for size in (16, 32, 64)})


def reordered(arms: Arms, items: np.ndarray) -> Arms:
    answers = {
        arm: ArmAnswers(given.values[:, items], given.abstain[:, items])
        for arm, given in arms.answers.items()
    }
    return Arms(answers, {size: p[:, items] for size, p in arms.curve.items()}, arms.trained_on)


@pytest.mark.parametrize("metric", ["Accuracy", "MacroF1", "AUROC"])
def test_the_order_of_items_does_not_matter(metric: str) -> None:
    families = np.random.default_rng(0).integers(0, 60, len(GOLD))
    items = np.random.default_rng(1).permutation(len(GOLD))
    arms = random_arms(2, GOLD)
    one = result(gold_test(GOLD, families, metric=metric, positive=1), arms)
    other = result(gold_test(GOLD[items], families[items], metric=metric, positive=1), reordered(arms, items))
    assert one == other


def test_the_order_of_seeds_does_not_matter_to_the_gain() -> None:
    arms = random_arms(2, GOLD)
    turned = arms.answers["strong"].values[[2, 0, 1]]
    other = Arms({**arms.answers, "strong": replace(arms.answers["strong"], values=turned)})
    one = result(gold_test(GOLD), arms)["comparisons"][0]
    two = result(gold_test(GOLD), other)["comparisons"][0]
    for key in ("estimate", "low", "high"):
        assert one[key] == pytest.approx(two[key], abs=1e-6)


def test_rows_repeated_within_their_families_prove_nothing_more() -> None:
    arms, twice = random_arms(3, GOLD), np.tile(np.arange(len(GOLD)), 2)
    families = np.arange(len(GOLD)) // 2
    once = result(gold_test(GOLD, families), arms)["comparisons"][0]
    again = result(gold_test(GOLD[twice], families[twice]), reordered(arms, twice))["comparisons"][0]
    assert (again["low"], again["high"]) == pytest.approx((once["low"], once["high"]), abs=1e-6)

    as_rows = result(gold_test(GOLD[twice]), reordered(arms, twice))["comparisons"][0]
    assert as_rows["high"] - as_rows["low"] < 0.95 * (once["high"] - once["low"])


def test_counts_and_metrics_come_from_the_same_decisions() -> None:
    rng = np.random.default_rng(4)
    positive = rng.random((1, len(GOLD)))
    arm = ArmAnswers(np.stack([1 - positive, positive], axis=-1), np.zeros((1, len(GOLD)), dtype=bool))
    test = gold_test(GOLD, positive=1, threshold=0.35)
    shown = result(test, Arms({"weak": arm, "strong": arm}))["arms"][0]
    counts = shown["positive"]["firstSeed"]
    right = counts["found"] + counts["negatives"] - counts["falseAlarms"]
    assert shown["metrics"]["Accuracy"]["estimate"] == pytest.approx(right / len(GOLD))
    assert counts["found"] + counts["missed"] == counts["positives"] == int((GOLD == 1).sum())
    assert counts["falseAlarms"] == int(((positive[0] >= 0.35) & (GOLD == 0)).sum())


def test_counts_of_the_positive_class_by_hand() -> None:
    test = gold_test(np.array([1, 1, 1, 0, 0]), positive=1)
    counts = positive_counts(test, says([[1, 1, 0, 1, 0]]).values[0])
    assert counts == {
        "positives": 3,
        "negatives": 2,
        "found": 2,
        "missed": 1,
        "falseAlarms": 1,
        "recall": pytest.approx(2 / 3, abs=1e-6),
        "precision": pytest.approx(2 / 3, abs=1e-6),
    }


def test_imitation_is_counted_where_weak_voted() -> None:
    gold = np.array([0, 0, 0, 0, 1, 1])
    weak = says([[0, 0, 1, 1, 1, 0]])
    weak = replace(weak, abstain=np.array([[False, False, False, False, False, True]]))
    strong = says([[0, 1, 1, 0, 1, 0]])
    assert imitation(gold_test(gold), weak, strong) == {
        "agreesWhereWeakIsRight": pytest.approx(2 / 3, abs=1e-6),
        "agreesWhereWeakIsWrong": pytest.approx(1 / 2),
        "weakRight": 3,
        "weakWrong": 2,
    }


def test_imitation_of_a_teacher_that_never_errs_is_unknown() -> None:
    gold = np.array([0, 1])
    found = imitation(gold_test(gold), says([gold]), says([gold]))
    assert found["agreesWhereWeakIsRight"] == 1.0
    assert found["agreesWhereWeakIsWrong"] is None


def test_covered_and_uncovered_items_apart() -> None:
    gold = np.array([0, 0, 1, 1, 0, 1])
    weak = replace(says([[0, 1, 1, 1, 0, 0]]), abstain=np.array([[False, False, False, False, True, True]]))
    strong = says([[0, 0, 0, 0, 0, 1]])
    arms = Arms({"weak": weak, "strong": strong, "cascade": cascade_answers(weak, strong)})
    found = result(gold_test(gold), arms)
    shown = {one["arm"]: (one["covered"], one["uncovered"]) for one in found["arms"]}
    assert found["coverage"] == pytest.approx(4 / 6, abs=1e-6)
    assert [part["n"] for part in shown["weak"]] == [4, 2]
    assert [part["Accuracy"] for part in shown["weak"]] == pytest.approx([0.75, 0.5])
    assert [part["Accuracy"] for part in shown["strong"]] == pytest.approx([0.5, 1.0])
    # The cascade is the teacher where it votes and the student elsewhere.
    assert [part["Accuracy"] for part in shown["cascade"]] == pytest.approx([0.75, 1.0])


def test_coverage_that_changes_by_seed_is_averaged_for_an_arm_that_does_not() -> None:
    gold = np.array([0, 0])
    weak = replace(says([[0, 0], [0, 0]]), abstain=np.array([[False, True], [True, False]]))
    found = result(gold_test(gold), Arms({"weak": weak, "strong": says([[0, 1]])}))
    strong = found["arms"][1]
    assert strong["covered"]["Accuracy"] == pytest.approx(0.5)  # right on one item, wrong on the other


def test_no_part_without_items_has_a_figure() -> None:
    uncovered = result(gold_test(GOLD), three_arms())["arms"][0]["uncovered"]
    assert uncovered == {"n": 0, "Accuracy": None, "MacroF1": None}


def test_worth_of_a_student_in_labels_of_its_own_model() -> None:
    arms = Arms(
        {"weak": right_on(GOLD, 0.5), "strong": right_on(GOLD, 0.8)},
        {size: right_on(GOLD, share).values for size, share in ((16, 0.6), (32, 0.7), (64, 0.9))},
    )
    found = result(gold_test(GOLD), arms)
    assert found["worth"]["estimate"]["text"] == "45"
    assert found["worth"]["low"]["labels"] <= 45 <= found["worth"]["high"]["labels"]
    assert [(one["labels"], one["estimate"]) for one in found["goldOnlyCurve"]] == [
        (16, 0.6),
        (32, 0.7),
        (64, 0.9),
    ]


STEADY = {16: (0.6,) * 3, 32: (0.7,) * 3, 64: (0.9,) * 3}


@pytest.mark.parametrize(
    ("strong", "curve"),
    [
        pytest.param(
            (0.8,) * 3, {16: (0.45, 0.6, 0.75), 32: (0.55, 0.7, 0.85), 64: (0.85, 0.9, 0.95)}, id="curve"
        ),
        pytest.param((0.72, 0.8, 0.88), STEADY, id="student"),
    ],
)
def test_worth_carries_the_spread_of_the_seeds(
    strong: tuple[float, ...], curve: dict[int, tuple[float, ...]]
) -> None:
    """What hangs on which labels were drawn is said by the interval."""

    def width(strong: tuple[float, ...], curve: dict[int, tuple[float, ...]]) -> float:
        arms = {"weak": (0.5,), "strong": strong, "gold-only": curve[64]}
        worth = result(
            gold_test(GOLD),
            Arms(
                {arm: right_on(GOLD, *shares) for arm, shares in arms.items()},
                {size: right_on(GOLD, *shares).values for size, shares in curve.items()},
            ),
        )["worth"]
        return float(np.log2(worth["high"]["labels"] / worth["low"]["labels"]))

    assert width(strong, curve) > 1.5 * width((0.8,) * 3, STEADY)


def test_more_classes_are_ranked_each_against_the_rest() -> None:
    gold = np.arange(90) % 3
    arms = Arms({"weak": says([gold], 3), "strong": says([np.zeros(90, dtype=np.int64)], 3)})
    found = result(gold_test(gold, class_names=("a", "b", "c"), metric="AUROC"), arms)
    figures = {one["arm"]: one["metrics"]["AUROC"]["estimate"] for one in found["arms"]}
    assert figures == {"weak": 1.0, "strong": 0.5}
    assert found["test"]["classes"] == {"a": 30, "b": 30, "c": 30}


def test_two_classes_without_a_positive_one_have_no_auroc() -> None:
    assert set(result(gold_test(GOLD), three_arms())["arms"][0]["metrics"]) == {"Accuracy", "MacroF1"}


def test_the_same_draw_gives_the_same_figures_and_they_are_json() -> None:
    test = gold_test(GOLD, positive=1, metric="AUROC")
    one, other = (result(test, random_arms(5, GOLD), seed=9) for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(other, allow_nan=False)


@pytest.mark.parametrize(
    ("seeds", "flattered", "evaluations", "codes"),
    [
        (1, False, 1, ["OneSeed"]),
        (3, True, 1, ["TeacherMayBeFlattered"]),
        (5, False, 1, []),
        (5, False, 4, ["RepeatedEvaluations"]),
    ],
)
def test_notes(seeds: int, flattered: bool, evaluations: int, codes: list[str]) -> None:
    found = notes({"seeds": seeds}, flattered, evaluations)
    assert [note["code"] for note in found] == codes


GIVEN_UP = {"arm": "strong", "class": "spam", "seed": 1, "predicted": 0.02, "labels": 0.21}


@pytest.mark.parametrize(
    ("collapsed", "says"),
    [
        pytest.param([], [], id="none"),
        pytest.param(
            [GIVEN_UP],
            ["`strong` all but gave up the class “spam” (seed 1): it predicts it for 2 % of the latest"],
            id="one",
        ),
        pytest.param(
            [GIVEN_UP, {**GIVEN_UP, "seed": 2, "predicted": 0.0, "labels": 0.205}],
            [
                "(seeds 1, 2): it predicts it for 0 to 2 % of the latest training texts, whose labels ask for 20.5 to 21"
            ],
            id="seeds of one class are one note",
        ),
        pytest.param(
            [GIVEN_UP, {**GIVEN_UP, "arm": "gold-only"}, {**GIVEN_UP, "class": "ham"}],
            ["`strong` all but gave up the class “spam”", "`gold-only`", "“ham”"],
            id="arms and classes apart",
        ),
    ],
)
def test_classes_that_were_given_up_are_noted_first(collapsed: list[dict[str, Any]], says: list[str]) -> None:
    found = notes({"seeds": 1}, False, 1, given_up(collapsed))
    assert [note["code"] for note in found] == ["ClassGivenUp"] * len(says) + ["OneSeed"]
    for note, words in zip(found, says, strict=False):
        assert words in note["text"]


def test_deep_is_compared_with_shallow_and_stopped_with_the_end() -> None:
    arms = {"weak": 0.5, "strong": 0.9, "head": 0.7, "full-schedule": 0.95}
    found = result(gold_test(GOLD), Arms({arm: right_on(GOLD, share) for arm, share in arms.items()}))
    assert [(one["arm"], one["baseline"], one["verdict"]) for one in found["exploratory"]] == [
        ("strong", "head", "better"),
        ("strong", "full-schedule", "worse"),
    ]
    assert [one["estimate"] for one in found["exploratory"]] == pytest.approx([0.2, -0.05])
