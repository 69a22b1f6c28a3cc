"""What the report and the model card say of what was forgotten."""

import pytest
from fixtures import render
from fixtures import results as of_job

from w2s_trainer.report.forgetting import NOTHING, card_line, forgetting_answers, forgetting_rows


def retention(low: float, high: float, **more) -> dict:
    middle = (low + high) / 2
    figures = {"loss": 2.0, "perplexity": 7.389, "bitsPerToken": 2.885, "bitsPerByte": 0.7}
    return {
        "base": "py://llm",
        "tuned": "student",
        "objective": "next token",
        "items": 40,
        "tokens": 1200,
        "before": figures,
        "after": {**figures, "perplexity": 8.2, "bitsPerByte": None},
        "difference": {"estimate": middle * 3, "low": low * 3, "high": high * 3},
        "perplexityRatio": {"estimate": 1.11, "low": 1.02, "high": 1.2},
        "forgetting": {"estimate": middle, "low": low, "high": high},
        **more,
    }


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.02, 0.04, "The tuned model forgot: its loss on general texts rose by 3.0%"),
        (-0.04, -0.02, "knows general texts better than before: its loss fell by 3.0%"),
        (-0.02, 0.04, "is not shown to have forgotten anything: its loss on general texts changed by +1.0%"),
    ],
)
def test_the_sentence_says_what_the_interval_allows(low, high, says):
    (sentence,) = forgetting_answers({"retention": retention(low, high)})
    assert says in sentence
    assert f"{low:+.1%} to {high:+.1%}" in sentence
    assert card_line({"retention": retention(low, high)}) == [f"- {sentence}"]


def test_a_head_forgets_nothing_and_who_did_not_ask_is_told_nothing():
    assert forgetting_answers({"retention": {"nothingToForget": True}}) == [NOTHING]
    assert forgetting_rows({"retention": {"nothingToForget": True}}) == []
    for none in ({}, {"retention": None}):
        assert forgetting_answers(none) == forgetting_rows(none) == []


def test_rows_have_both_models_and_the_answers_where_there_are_any():
    shares = {"prompts": 20, "empty": 0.0, "cutOff": 0.5, "loops": 0.1}
    answers = {"base": shares, "tuned": {**shares, "loops": 0.9}}
    rows = forgetting_rows({"retention": retention(0.02, 0.04, answers=answers)})
    assert (rows[0]["before"], rows[0]["after"], rows[0]["change"]) == (
        "7.39",
        "8.20",
        "× 1.110 (1.020 to 1.200)",
    )
    assert rows[2]["after"] == "–", "texts without a byte"
    assert rows[3]["change"] == "+3.0% (+2.0% to +4.0%)"
    assert rows[-1] == {
        "what": "that end in a loop, of 20 answers",
        "before": "10%",
        "after": "90%",
        "change": "–",
    }
    assert len(forgetting_rows({"retention": retention(0.02, 0.04)})) == 4


@pytest.mark.parametrize("measured", [retention(0.02, 0.04), {"nothingToForget": True}, None])
def test_the_section_is_there_where_it_was_asked_for(measured):
    results = {**of_job(), "retention": measured}
    assert ("What it forgot" in render(results)) is (measured is not None)
