"""Metrics against scikit-learn and against figures worked out by hand."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from evaluate_kit import Arms, gold_test, right_on
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from w2s_api.arms import ARMS
from w2s_api.metrics import METRICS, Metric
from w2s_trainer.families.classification.calibration import (
    brier,
    calibration_bins,
    calibration_error,
    log_loss,
)
from w2s_trainer.families.classification.decisions import confusion, predict_classes
from w2s_trainer.stages.evaluate import metrics
from w2s_trainer.stages.evaluate.compare import compare
from w2s_trainer.stages.evaluate.gate import apply_gate
from w2s_trainer.stages.evaluate.metrics.accuracy import accuracy
from w2s_trainer.stages.evaluate.metrics.auroc import Ranks
from w2s_trainer.stages.evaluate.metrics.macrof1 import macro_f1


def random_case(seed: int, classes: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    gold = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    probabilities = rng.dirichlet(np.ones(classes), n).round(1) + 1e-3  # rounded, so that scores tie
    return gold, probabilities / probabilities.sum(axis=1, keepdims=True), rng


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(8))
def test_metrics_are_those_of_scikit_learn(seed: int, classes: int) -> None:
    gold, probabilities, rng = random_case(seed, classes)
    decided = predict_classes(probabilities)
    families = rng.integers(0, 30, len(gold))
    counts = confusion(gold, decided, families, classes).sum(axis=0)
    labels = list(range(classes))

    assert accuracy(counts) == pytest.approx(accuracy_score(gold, decided))
    assert macro_f1(counts) == pytest.approx(
        f1_score(gold, decided, average="macro", labels=labels, zero_division=0)
    )
    assert log_loss(gold, probabilities) == pytest.approx(
        sklearn_log_loss(gold, probabilities, labels=labels)
    )
    one = np.ones((1, len(gold)))
    by_class = [roc_auc_score(gold == label, probabilities[:, label]) for label in labels]
    assert Ranks(gold, probabilities, 1).auroc(one)[0] == pytest.approx(by_class[1])
    assert Ranks(gold, probabilities, None).auroc(one)[0] == pytest.approx(np.mean(by_class))


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_of_an_item_is_so_many_items(seed: int) -> None:
    gold, probabilities, rng = random_case(seed, 3, n=60)
    families = rng.integers(0, 12, len(gold))
    drawn = rng.multinomial(12, np.full(12, 1 / 12))
    weights = drawn[families]
    rows = np.repeat(np.arange(len(gold)), weights)

    counts = np.tensordot(drawn, confusion(gold, predict_classes(probabilities), families, 3), axes=1)
    assert macro_f1(counts) == pytest.approx(
        f1_score(
            gold[rows],
            predict_classes(probabilities)[rows],
            average="macro",
            labels=[0, 1, 2],
            zero_division=0,
        )
    )
    assert Ranks(gold, probabilities, 0).auroc(weights[None].astype(float))[0] == pytest.approx(
        roc_auc_score(gold[rows] == 0, probabilities[rows, 0])
    )


def test_a_replicate_without_one_side_has_no_auroc() -> None:
    gold = np.array([0, 0, 1])
    ranks = Ranks(gold, np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]), 1)
    assert np.isnan(ranks.auroc(np.array([[1.0, 2.0, 0.0]]))[0])


def test_macro_f1_by_hand() -> None:
    # Class 0: TP 3, FN 1, FP 2; class 1: TP 4, FN 2, FP 1; class 2 neither there nor decided.
    counts = np.array([[3.0, 1.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    assert macro_f1(counts) == pytest.approx((6 / 9 + 8 / 11 + 0) / 3)
    assert accuracy(counts) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("probabilities", "positive", "threshold", "decided"),
    [
        pytest.param([0.5, 0.5], None, 0.5, 0, id="a tie goes to the first class"),
        pytest.param([0.2, 0.4, 0.4], None, 0.5, 1, id="a tie of later classes goes to the first of them"),
        pytest.param([0.5, 0.5], 1, 0.5, 1, id="positive from the threshold on"),
        pytest.param([0.5, 0.5], 0, 0.5, 0, id="positive from the threshold on, first class"),
        pytest.param([0.7, 0.3], 1, 0.3, 1, id="a low threshold finds more"),
        pytest.param([0.7, 0.3], 1, 0.31, 0, id="below the threshold"),
        pytest.param([0.6, 0.4], 0, 0.7, 1, id="a high threshold finds less"),
        pytest.param([0.3, 0.3, 0.4], 0, 0.1, 2, id="a threshold is for two classes"),
    ],
)
def test_decision(probabilities: list[float], positive: int | None, threshold: float, decided: int) -> None:
    assert predict_classes(np.array([probabilities]), positive, threshold).tolist() == [decided]


def test_calibration_error_by_hand() -> None:
    gold = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]])
    bins = calibration_bins(gold, probabilities)
    assert [(bin_["n"], round(float(bin_["accuracy"]), 4)) for bin_ in bins] == [(1, 1.0), (3, 0.6667)]
    assert calibration_error(gold, probabilities) == pytest.approx(0.75 * (0.9 - 2 / 3) + 0.25 * 0.3)


def test_a_sure_answer_falls_into_the_last_bin() -> None:
    (bin_,) = calibration_bins(np.array([0]), np.array([[1.0, 0.0]]))
    assert (bin_["high"], bin_["n"]) == (1.0, 1)


def test_brier_and_log_loss_by_hand() -> None:
    gold = np.array([0, 1])
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4]])
    assert brier(gold, probabilities) == pytest.approx((0.04 + 0.04 + 0.36 + 0.36) / 2)
    assert log_loss(gold, probabilities) == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert np.isfinite(log_loss(gold, np.array([[0.0, 1.0], [1.0, 0.0]])))


def test_each_declared_metric_is_a_module_and_each_module_is_declared() -> None:
    modules = {file.stem for file in Path(metrics.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules == {name.lower() for name in METRICS}
    for name in METRICS:
        assert callable(metrics.replicates_of(name))


def test_a_metric_of_which_less_is_better_is_one_line_and_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Added from here, through the same table: gains, gate and words follow from what it declares."""
    brier_score = ModuleType("w2s_trainer.stages.evaluate.metrics.brier")

    def replicates(test, answers, families, weights):
        items = ((answers - np.eye(answers.shape[1])[test.gold]) ** 2).sum(axis=1)
        sums, sizes = np.bincount(families, items), np.bincount(families)
        return float(items.mean()), (weights @ sums) / (weights @ sizes)

    brier_score.replicates = replicates
    monkeypatch.setitem(sys.modules, brier_score.__name__, brier_score)
    declared = Metric("Brier", "Brier score", "0 is perfect", bounds=(0.0, 2.0), higher_is_better=False)
    monkeypatch.setitem(METRICS, "Brier", declared)

    gold = np.arange(400) % 2
    arms = Arms({"weak": right_on(gold, 0.6), "strong": right_on(gold, 0.9)}, trained_on={"strong": 9})
    evaluation = compare(gold_test(gold, metric="Brier"), arms, ARMS["strong"], np.random.default_rng(0))
    values = {arm["arm"]: arm["metrics"]["Brier"]["estimate"] for arm in evaluation["arms"]}
    assert values["strong"] < values["weak"]
    (gain,) = evaluation["comparisons"]
    assert gain["estimate"] == pytest.approx(values["weak"] - values["strong"], abs=1e-6)
    assert gain["verdict"] == "better"
    assert apply_gate(evaluation, ["Weak"], 0.0).promoted
