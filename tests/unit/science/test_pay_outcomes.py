"""The primary comparison and the goals of the study."""

import pytest
from does_it_pay.cells import Cell
from does_it_pay.outcomes import Outcome, goals, mean_over_tasks, outcomes, tasks_met, texts_behind, worth_on

CURVE = [{"labels": n, "estimate": e} for n, e in ((16, 0.5), (32, 0.6), (64, 0.7), (128, 0.8), (256, 0.9))]


def record(cell: str, values: dict[str, float], lows: dict[str, float], curve=CURVE) -> dict:
    comparisons = [
        {"baseline": name, "estimate": values["combined"] - values[name], "low": low, "high": low + 0.04}
        for name, low in lows.items()
    ]
    arms = [{"arm": name, "metrics": {"MacroF1": {"estimate": value}}} for name, value in values.items()]
    evaluation = {"arms": arms, "comparisons": comparisons, "goldOnlyCurve": curve}
    return {"cell": cell, "known": {}, "results": {"evaluation": evaluation}}


def test_the_candidate_is_held_against_the_best_of_the_baselines():
    values = {"weak": 0.6, "gold-only": 0.7, "zero-shot": 0.5, "strong": 0.9, "combined": 0.75}
    lows = {"weak": 0.1, "gold-only": 0.02, "zero-shot": 0.2, "strong": -0.2}
    (one,) = outcomes([record("sms_spam.tuned.64.minilm", values, lows)])
    assert one.best == "gold-only"
    assert one.gain == pytest.approx(0.05)
    assert one.pays
    assert one.worth is None  # its task's curve is not there


def test_worth_is_read_on_the_curve_of_the_task_and_the_student():
    values = {"weak": 0.6, "gold-only": 0.7, "zero-shot": 0.5, "combined": 0.8}
    lows = dict.fromkeys(("weak", "gold-only", "zero-shot"), 0.0)
    job = record("sms_spam.tuned.64.minilm", values, lows, curve=CURVE[:3])
    curve = record("sms_spam.rules.256.minilm", values, lows)
    other = record("subjectivity.rules.256.minilm", values, lows, curve=CURVE[:1])
    found = {str(one.cell): one for one in outcomes([other, job, curve, {"cell": "x", "failed": {}}])}
    assert found["sms_spam.tuned.64.minilm"].worth == pytest.approx(128)
    assert len(found) == 3


def test_worth_ends_where_the_curve_does():
    assert worth_on(CURVE, 0.1) == 16
    assert worth_on(CURVE, 0.95) == 256
    assert worth_on(CURVE, 0.65) == pytest.approx(32 * 2**0.5)


def outcome(task: str, source: str, low: float, high: float, worth: float | None) -> Outcome:
    return Outcome(Cell(task, source, 64, "minilm"), {}, "weak", (low + high) / 2, low, high, worth, {})


def test_goals_count_jobs_and_tasks():
    found = [
        outcome("sms_spam", "rules", 0.01, 0.03, 200),
        outcome("sms_spam", "tuned", -0.005, 0.03, 64),
        outcome("boolq_dev", "rules", -0.05, -0.01, 100),
        outcome("boolq_dev", "tuned", -0.02, 0.03, None),
    ]
    counted = goals(found)
    assert (counted.jobs, counted.without_regret, counted.clearly_better, counted.lost) == (4, 2, 1, 1)
    assert counted.median_worth == 100
    assert counted.worth_more_than_spent == (1, 3)  # rules: 64 + 50 labels, and 100 is less
    assert counted.met == (False, False, False)
    assert tasks_met(found) == (2, 1, 1)
    assert goals(found[:1]).met == (True, True, True)


def test_a_lower_bound_of_exactly_minus_one_point_is_a_regret():
    assert not outcome("sms_spam", "rules", -0.01, 0.1, None).without_regret
    assert outcome("sms_spam", "rules", -0.0099, 0.1, None).without_regret


@pytest.mark.parametrize(
    ("task", "source", "texts"),
    [
        ("subjectivity", "union", 114),
        ("subjectivity", "tuned", 0),
        ("restricted", "union", 64),  # its rules were written by hand
        ("sms_spam", "union", 50),  # its model is of another domain
        ("lexglue_ledgar_1k", "rules", 50),
    ],
)
def test_labelled_texts_behind_a_source_are_counted(task, source, texts):
    assert texts_behind(Cell(task, source, 64, "minilm")) == texts


def test_the_mean_is_over_tasks_whatever_the_number_of_their_jobs():
    found = [outcome("sms_spam", "rules", 0.0, 0.02, None)] * 5 + [
        outcome("boolq_dev", "rules", 0.02, 0.04, None)
    ]
    mean, low, high = mean_over_tasks(found)
    assert mean == pytest.approx(0.02)
    assert (
        high - mean == pytest.approx(mean - low) == pytest.approx(12.706 * 0.01, rel=1e-3)
    )  # t of one degree
