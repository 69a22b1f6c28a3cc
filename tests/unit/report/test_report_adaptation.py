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


def test_rows_of_what_was_pruned_have_its_size():
    figures = {
        "objective": "next token",
        "seconds": 3.0,
        "lossBefore": 3.0,
        "lossAfter": 4.0,
        "perplexityBefore": 20.086,
        "perplexityAfter": 54.598,
        "parametersBefore": 1000,
        "parametersAfter": 1000,
        "zeros": 250,
    }
    pruned = {"stage": "adapt-1-prune", "type": "Prune", "words": "pruned by Wanda", "figures": figures}
    smaller = {**pruned, "figures": {**figures, "parametersAfter": 800, "zeros": 0}}
    zeros, fewer, merged = adaptation_rows(results(0, 0, pruned, smaller, MERGED))
    assert zeros["parameters"] == "1,000, 25% of them 0"
    assert fewer["parameters"] == "1,000 → 800"
    assert (merged["parameters"], zeros["gap"]) == ("–", "–"), "it was not trained"


def test_rows_of_new_tokens_have_the_tokens_of_a_text():
    counted = [
        {"source": "pool", "texts": 9, "before": 1412.04, "after": 1200.5, "unchanged": 0.25},
        {"source": "general", "texts": 9, "before": 80.0, "after": 80.0, "unchanged": 1.0},
    ]
    step = {"stage": "adapt-1-extend-vocabulary", "words": "given up to 9 tokens more", "figures": {
        "seconds": 3.0, "tokensOfText": counted, "parametersBefore": 1000, "parametersAfter": 1090,
    }}  # fmt: skip
    (row,) = adaptation_rows(results(0, 0, step))
    assert row["loss"] == (
        "1,412.0 → 1,200.5 tokens of a text (pool; 25% of the texts are read as before);"
        " 80.0 → 80.0 tokens of a text (general; 100% of the texts are read as before)"
    )
    assert (row["parameters"], row["gap"]) == ("1,000 → 1,090", "–")
