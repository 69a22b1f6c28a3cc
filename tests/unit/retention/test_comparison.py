"""What changed between two models: figures by hand, intervals that hold the truth, and answers that are counted."""

import math

import numpy as np
import pytest

from w2s_api.spec.retention import Retention
from w2s_trainer.models.generating import Written
from w2s_trainer.stages.evaluate.gate import apply_gate
from w2s_trainer.stages.retention import answering
from w2s_trainer.stages.retention.comparison import compared


def between(base, tuned, tokens, sizes, seed=0):
    return compared(
        np.array(base, float),
        np.array(tuned, float),
        np.array(tokens),
        np.array(sizes),
        np.random.default_rng(seed),
    )


def test_figures_are_those_by_hand():
    found = between([2.0, 4.0], [3.0, 6.0], [2, 4], [8, 10])
    assert found["before"]["loss"] == 1.0
    assert found["before"]["perplexity"] == pytest.approx(math.e, abs=1e-4)
    assert found["before"]["bitsPerToken"] == pytest.approx(1 / math.log(2), abs=1e-6)
    assert found["before"]["bitsPerByte"] == pytest.approx(6 / math.log(2) / 18, abs=1e-6)
    assert found["after"]["loss"] == 1.5
    assert found["forgetting"]["estimate"] == 0.5
    assert found["difference"]["estimate"] == pytest.approx(0.5 / math.log(2), abs=1e-6)
    assert found["perplexityRatio"]["estimate"] == pytest.approx(math.exp(0.5), abs=1e-6)


def test_the_same_rise_in_every_item_has_no_width_and_no_rise_is_none():
    found = between([1.0, 5.0, 3.0], [1.2, 6.0, 3.6], [1, 5, 3], [4, 4, 4])
    assert found["forgetting"] == {"estimate": 0.2, "low": 0.2, "high": 0.2}
    assert between([1.0, 2.0], [1.0, 2.0], [1, 1], [1, 1])["forgetting"] == {
        "estimate": 0,
        "low": 0,
        "high": 0,
    }


def test_a_long_item_counts_as_many_times_as_it_has_tokens():
    found = between([10.0, 1.0], [20.0, 1.0], [99, 1], [1, 1])
    assert found["forgetting"]["estimate"] == pytest.approx(10 / 11, abs=1e-6)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Items from a population in which the loss rises by a tenth; with 60 of them, by simulation."""
    held, tests = 0, 200
    for seed in range(tests):
        rng = np.random.default_rng([seed, 1])
        tokens = rng.integers(20, 200, 60)
        base = tokens * rng.normal(3.0, 0.4, 60)
        tuned = base + tokens * rng.normal(0.3, 0.3, 60)
        found = between(base, tuned, tokens, tokens, seed)["forgetting"]
        held += found["low"] <= 0.1 <= found["high"]
    assert 0.89 <= held / tests <= 0.99


def test_a_loss_without_bounds_stays_a_number():
    found = between([1.0, 1.0], [1e9, 1e9], [1, 1], [0, 0])
    assert math.isfinite(found["perplexityRatio"]["high"])
    assert found["after"]["bitsPerByte"] is None


@pytest.mark.parametrize(
    ("retention", "limit", "promoted", "says"),
    [
        (
            {"forgetting": {"estimate": 0.02, "low": 0.01, "high": 0.03}},
            0.05,
            True,
            "the upper bound is not above 0.05",
        ),
        (
            {"forgetting": {"estimate": 0.02, "low": -0.09, "high": 0.12}},
            0.05,
            False,
            "the upper bound is above 0.05",
        ),
        ({"forgetting": {"estimate": 0.5, "low": 0.4, "high": 0.6}}, 0.05, False, "+0.500 [+0.400, +0.600]"),
        ({"forgetting": {"estimate": 0.5, "low": 0.4, "high": 0.6}}, None, True, ""),
        ({"nothingToForget": True}, 0.0, True, "nothing to forget"),
        (None, 0.05, False, "was not measured"),
    ],
)
def test_the_gate_asks_for_proof_that_not_more_was_lost(retention, limit, promoted, says):
    decision = apply_gate({"candidate": "strong", "comparisons": []}, [], 0.0, retention, limit)
    assert decision.promoted is promoted
    assert len(decision.reasons) == (limit is not None)
    assert says in " ".join(decision.reasons)


def test_answers_are_counted_by_how_they_end(monkeypatch):
    texts = ["", "Water that falls.", "so it is and " * 12, "cut in the mid"]
    written = Written.empty(4, 1)
    written.texts[:, 0] = texts
    written.endings[:, 0] = ["end", "end", "length", "length"]
    monkeypatch.setattr(answering, "write", lambda *_args: written)
    monkeypatch.setattr(answering, "layout_of", lambda *_args: None)

    class Model:
        inner = tokenizer = None
        device = "cpu"

        class model:
            eval = staticmethod(lambda: None)

    found = answering.answer(Model, ["?"] * 4, 8, 64)
    assert found.to_json() == {"prompts": 4, "empty": 0.25, "cutOff": 0.5, "loops": 0.25}


def test_prompts_are_those_given_or_our_own():
    given = {"texts": {"uri": "s3://general/texts.jsonl"}}
    assert answering.prompts_of(Retention.model_validate(given)) == answering.PROMPTS
    own = Retention.model_validate({**given, "prompts": ["Why?"]})
    assert list(answering.prompts_of(own)) == ["Why?"]
    assert len(set(answering.PROMPTS)) == len(answering.PROMPTS) == 20


def test_results_say_that_a_head_has_nothing_to_forget_and_nothing_where_nobody_asked():
    from types import SimpleNamespace

    from w2s_trainer.stages.evaluate.summaries import of_retention

    def context(asked, roles):
        evaluation = SimpleNamespace(retention=asked)
        return SimpleNamespace(
            spec=SimpleNamespace(evaluation=evaluation),
            job=SimpleNamespace(stage=SimpleNamespace(roles=roles)),
            artifact=lambda role: SimpleNamespace(summary={"of": role}),
        )

    assert of_retention(context(object(), {})) == {"nothingToForget": True}
    assert of_retention(context(None, {})) is None
    assert of_retention(context(object(), {"retention": ("retention",)})) == {"of": "retention"}
