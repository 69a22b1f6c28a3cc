"""What the report says of the steps before any label: gained, lost or not shown, and at which cost."""

import pytest

from w2s_trainer.report.adaptation import adaptation_answers, adaptation_rows

STEP = {
    "stage": "adapt-1-pretrain",
    "type": "Pretrain",
    "words": "pretrained on the pool, 2 epochs; tuned: all weights",
    "figures": {
        "objective": "masked tokens",
        "tokens": 12_230,
        "seconds": 100.0,
        "lossBefore": 3.0,
        "lossAfter": 2.0,
        "perplexityBefore": 20.086,
        "perplexityAfter": 7.389,
        "stabilityGap": {"step": 6, "rise": 0.25, "recoveredAtStep": 12},
    },
}
MERGED = {"stage": "adapt-2-merge", "words": "merged", "figures": {"weights": 9, "seconds": 20.0}}


def results(low: float, high: float, *steps: dict, **more) -> dict:
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    comparison = {
        "arm": "strong",
        "baseline": "unadapted",
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
        "verdict": verdict,
        "exploratory": True,
    }
    return {
        "evaluation": {"metric": "MacroF1", "exploratory": [comparison], **more},
        "adaptation": list(steps),
    }


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "gained the student 3.0 points (between 1.0 and 5.0 points; exploratory)"),
        (-0.05, -0.01, "did harm: the student lost 3.0 points"),
        (
            -0.01,
            0.03,
            "is not proven to gain the student anything: +1.0 points (from -1.0 to +3.0; exploratory)",
        ),
    ],
)
def test_gain_interval_and_cost_are_in_one_sentence(low, high, said):
    (sentence,) = adaptation_answers(results(low, high, STEP, MERGED))
    assert said in sentence
    assert "at 120 s for the steps" in sentence


def test_without_steps_or_comparison_nothing_is_said():
    assert adaptation_answers(results(0.01, 0.05)) == []
    assert adaptation_answers(results(0.01, 0.05, STEP, exploratory=[])) == []
    assert adaptation_answers({"evaluation": {"exploratory": []}}) == [], "results of an earlier version"


def test_rows_have_loss_gap_and_cost():
    first, second = adaptation_rows(results(0, 0, STEP, MERGED))
    assert first["loss"] == "3.000 → 2.000 (perplexity 20.1 → 7.4, masked tokens)"
    assert first["gap"] == "+0.250 at step 6, gone at step 12"
    assert (first["tokens"], first["seconds"]) == ("12,230", "100 s")
    assert first["general"] == "–"
    assert (second["loss"], second["gap"], second["tokens"]) == ("–", "–", "–")


def test_what_is_forgotten_stands_beside_what_is_replayed():
    replay = {"lossBefore": 2.0, "lossAfter": 2.1, "fraction": 0.25}
    (row,) = adaptation_rows(results(0, 0, {**STEP, "figures": {**STEP["figures"], "replay": replay}}))
    assert row["general"] == "2.000 → 2.100 (+5.0%; 25% of the blocks replayed)"
    law = {
        "pilots": [{}] * 4,
        "limit": 2.06,
        "withinTolerance": False,
        "heldOut": {"fraction": 0.4, "generalError": -0.004, "domainError": 0.01},
    }
    replay = {**replay, "predicted": law}
    (row,) = adaptation_rows(results(0, 0, {**STEP, "figures": {**STEP["figures"], "replay": replay}}))
    assert (
        "chosen by 4 pilots, no share tried kept to the tolerated 2.060; at 40%, held out, the law is off by -0.4%"
        in (row["general"])
    )
