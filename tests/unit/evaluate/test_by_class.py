"""What becomes of each class, by hand; and what one kind of label pays for another."""

import numpy as np
import pytest
from evaluate_kit import Arms, gold_test, says

from w2s_api.arms import ARMS
from w2s_trainer.families.classification.by_class import class_figures, confused, recalls
from w2s_trainer.stages.evaluate.compare import compare

NAMES = ("a", "b", "c")
GOLD = np.array([0, 0, 0, 0, 1, 1, 2])
DECIDED = np.array([0, 0, 0, 1, 1, 0, 1])
TEST = gold_test(GOLD, class_names=NAMES)


def test_precision_recall_and_f1_by_hand() -> None:
    figures = {one["class"]: one for one in class_figures(TEST, says([DECIDED], 3).values)}
    assert figures["a"] == {
        "class": "a",
        "gold": 4,
        "precision": pytest.approx(3 / 4),
        "recall": pytest.approx(3 / 4),
        "f1": pytest.approx(3 / 4),
    }
    assert (figures["b"]["precision"], figures["b"]["recall"]) == (pytest.approx(1 / 3, abs=1e-6), 0.5)
    assert (figures["c"]["precision"], figures["c"]["recall"], figures["c"]["f1"]) == (0.0, 0.0, 0.0)


def test_figures_of_seeds_are_averaged() -> None:
    figures = class_figures(TEST, says([DECIDED, GOLD], 3).values)
    assert figures[0]["recall"] == pytest.approx((3 / 4 + 1) / 2)
    assert figures[2]["f1"] == pytest.approx(1 / 2)


def test_confusion_is_gold_by_decided() -> None:
    assert confused(TEST, says([DECIDED], 3).values[0]) == {"counts": [[3, 1, 0], [1, 1, 0], [0, 1, 0]]}


def test_of_many_classes_the_worst_pairs_are_named() -> None:
    names = tuple(f"class {k}" for k in range(13))
    gold = np.repeat(np.arange(13), 3)
    decided = gold.copy()
    decided[:3], decided[3:5] = 7, 9
    pairs = confused(gold_test(gold, class_names=names), says([decided], 13).values[0])
    assert pairs == {
        "pairs": [
            {"gold": "class 0", "decided": "class 7", "n": 3},
            {"gold": "class 1", "decided": "class 9", "n": 2},
        ]
    }


def test_recall_on_samples_counts_families_as_often_as_they_are_drawn() -> None:
    families = np.array([0, 0, 1, 1, 0, 1, 1])
    weights = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    found = recalls(TEST, says([DECIDED], 3).values[0], families, weights)
    assert found["a"][0] == pytest.approx(3 / 4)
    assert found["a"][1] == pytest.approx([1.0, 1 / 2, 3 / 4])
    assert found["b"][1] == pytest.approx([1.0, 0.0, 1 / 2])
    assert found["c"][1] == pytest.approx([0.0, 0.0, 0.0])


@pytest.mark.parametrize(("missed", "verdict"), [(40, "worse"), (2, "no clear difference"), (-10, "better")])
def test_candidate_and_teacher_are_compared_class_by_class(missed: int, verdict: str) -> None:
    gold = np.repeat([1, 0], 100)
    teacher, student = gold.copy(), gold.copy()
    teacher[:10] = 0
    student[: 10 + missed] = 0
    test = gold_test(gold, positive=1)
    found = compare(
        test,
        Arms({"weak": says([teacher]), "strong": says([student])}),
        ARMS["strong"],
        np.random.default_rng(0),
    )
    kinds = {kind["kind"]: kind for kind in found["kinds"]}
    assert kinds["wanted"]["verdict"] == verdict
    assert (kinds["wanted"]["weak"], kinds["wanted"]["candidate"]) == (0.9, pytest.approx(0.9 - missed / 100))
    assert kinds["wanted"]["estimate"] == pytest.approx(-missed / 100)
    assert kinds["other"]["verdict"] == "no clear difference"
    assert (found["tradeoff"]["loss"] is not None) is (verdict == "worse")


def test_what_the_last_doubling_brought_is_paired() -> None:
    gold = np.arange(200) % 2
    wrong = {16: 80, 32: 60, 40: 50}
    curve = {
        size: says([np.where(np.arange(200) < count, 1 - gold, gold)]).values for size, count in wrong.items()
    }
    arms = Arms({"weak": says([gold]), "strong": says([gold])}, curve)
    found = compare(gold_test(gold), arms, ARMS["strong"], np.random.default_rng(0))
    step = found["lastDoubling"]
    assert (step["from"], step["to"]) == (16, 40)
    assert step["estimate"] == pytest.approx(30 / 200)
    assert 0.09 < step["low"] < 0.15 < step["high"] < 0.21
    short = compare(
        gold_test(gold), Arms(arms.answers, {40: curve[40]}), ARMS["strong"], np.random.default_rng(0)
    )
    assert "lastDoubling" not in short
