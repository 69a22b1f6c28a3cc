"""What the report says of the steps after the training: gained, lost or not shown, and what came of each."""

import pytest

from w2s_trainer.report.adaptation import adaptation_answers
from w2s_trainer.report.finish import finish_answers, finish_rows, saw_gold

CHOSEN = {
    "stage": "finish-1-interpolate-0",
    "type": "Interpolate",
    "words": "its weights were interpolated",
    "figures": {
        "share": 0.5,
        "metric": "MacroF1",
        "goldLabels": 1200,
        "shares": [{"share": 0.5, "value": 0.8125}, {"share": 1.0, "value": None}],
        "seconds": 20.0,
    },
}
ALIGNED = {
    "stage": "finish-2-align-0",
    "type": "Align",
    "words": "it was trained to prefer",
    "figures": {
        "pairs": 40,
        "heldOutPairs": 10,
        "accuracyBefore": 0.5,
        "accuracy": 0.7,
        "rewardAccuracy": 0.9,
        "seconds": 100.0,
    },
}


def results(low: float, high: float, *steps: dict, arm="strong", baseline="unfinished") -> dict:
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    comparison = {
        "arm": arm,
        "baseline": baseline,
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
        "verdict": verdict,
        "exploratory": True,
    }
    return {"evaluation": {"metric": "MacroF1", "exploratory": [comparison]}, "finish": list(steps)}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "gained it 3.0 points (between 1.0 and 5.0 points; exploratory)"),
        (-0.05, -0.01, "did harm: it lost 3.0 points"),
        (-0.01, 0.03, "is not proven to gain it anything: +1.0 points (from -1.0 to +3.0; exploratory)"),
    ],
)
def test_gain_interval_and_cost_are_in_one_sentence(low, high, said):
    (sentence,) = finish_answers(results(low, high, CHOSEN, ALIGNED))
    assert said in sentence
    assert "at 120 s for the steps" in sentence


def test_without_steps_or_comparison_nothing_is_said():
    assert finish_answers(results(0.01, 0.05)) == []
    assert finish_answers(results(0.01, 0.05, CHOSEN, baseline="head")) == []
    assert finish_rows(results(0.01, 0.05)) == []


def test_a_row_says_what_came_of_the_step():
    chosen, aligned = finish_rows(results(0, 0, CHOSEN, ALIGNED))
    assert chosen["outcome"] == "α = 0.5, by MacroF1 on 1,200 gold labels (0.5: 0.812, 1: not defined)"
    assert aligned["outcome"] == (
        "40 pairs; of 10 held out, the preferred text was the likelier one in 50% before and 70% after, and gained more in 90%"
    )


def test_a_student_that_learnt_from_the_budget_has_seen_gold():
    assert not saw_gold(results(0, 0, CHOSEN))
    assert saw_gold(results(0, 0, CHOSEN, ALIGNED))


def test_what_the_adaptation_added_is_told_by_the_student_before_it_was_finished():
    adapted = {"adaptation": [{"figures": {"seconds": 5.0}}]}
    assert adaptation_answers(results(0.01, 0.05, CHOSEN, baseline="unadapted") | adapted) == []
    (said,) = adaptation_answers(
        results(0.01, 0.05, CHOSEN, arm="unfinished", baseline="unadapted") | adapted
    )
    assert "gained the student 3.0 points" in said
