"""What the report says of rounds of self-training: gained, lost, not shown, or stopped at once."""

import pytest

from w2s_trainer.report.rounds import round_answers, round_rows


def compared(arm: str, baseline: str, low: float, high: float) -> dict:
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    figures = {"estimate": (low + high) / 2, "low": low, "high": high, "verdict": verdict}
    return {"arm": arm, "baseline": baseline, "exploratory": True, **figures}


def results(low: float = 0.0, high: float = 0.0, accepted=(3, 1), losses=((0.9, 0.8, 0.7), (0.7, 0.8, 0.1))):
    reached = {"weak": 0.5, "combined": 0.7, "self-trained": 0.72, "round-2": 0.71, "round-3": 0.74}
    return {
        "evaluation": {
            "metric": "MacroF1",
            "arms": [
                {"arm": arm, "metrics": {"MacroF1": {"estimate": value}}} for arm, value in reached.items()
            ],
            "comparisons": [],
            "exploratory": [
                compared("self-trained", "combined", low, high),
                compared("round-2", "combined", -0.01, 0.03),
                compared("round-3", "round-2", 0.01, 0.05),
            ],
        },
        "rounds": {
            "heldOutLogLoss": {str(seed): list(of_seed) for seed, of_seed in enumerate(losses)},
            "accepted": {str(seed): last for seed, last in enumerate(accepted)},
        },
    }


@pytest.mark.parametrize(
    ("low", "high", "accepted", "said"),
    [
        (
            0.01,
            0.05,
            (3, 3),
            "until round 3, is better than the combination of the first round, by 3.0 points",
        ),
        (
            -0.05,
            -0.01,
            (2, 3),
            "until round 2 to 3, by seed, is worse than the combination of the first round",
        ),
        (
            -0.01,
            0.03,
            (3, 1),
            "is not clearly different from the combination of the first round: +1.0 points",
        ),
        (0.0, 0.0, (1, 1), "stopped at once: on the gold budget, out of fold, no seed gained"),
    ],
)
def test_one_sentence_says_what_self_training_was_worth(low, high, accepted, said):
    (sentence,) = round_answers(results(low, high, accepted))
    assert said in sentence


def test_a_row_for_each_round_with_its_loss_who_accepts_it_and_what_it_added():
    first, second, third = round_rows(results())
    assert [first[name] for name in ("round", "arm", "loss", "accepted", "reached", "added")] == [
        "1", "combined", "0.800", "2 of 2", "0.700", "–",
    ]  # fmt: skip
    assert (second["loss"], second["accepted"]) == ("0.800", "1 of 2")
    assert second["added"] == "+1.0 points (from -1.0 to +3.0)"
    assert (third["arm"], third["loss"], third["accepted"], third["reached"]) == (
        "round-3",
        "0.400",
        "1 of 2",
        "0.740",
    )


def test_without_a_budget_there_is_no_loss_to_show():
    rows = round_rows(results(accepted=(3, 3), losses=((), ())))
    assert {row["loss"] for row in rows} == {"–"}
    assert {row["accepted"] for row in rows} == {"2 of 2"}


def test_without_rounds_nothing_is_said():
    for plain in (
        {**results(), "rounds": None},
        {name: value for name, value in results().items() if name != "rounds"},
    ):
        assert round_answers(plain) == []
        assert round_rows(plain) == []
