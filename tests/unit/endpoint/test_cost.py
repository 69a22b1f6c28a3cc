"""What answers cost, and that a limit is not passed."""

import numpy as np
import pytest

from w2s_api.methods.labelers.endpoint import TokenPrices
from w2s_trainer.stages.label.remote.cost import Meter, price
from w2s_trainer.stages.label.remote.figures import figures_of, joined, warnings
from w2s_trainer.stages.label.remote.record import Records

PRICES = TokenPrices(input="2", output="10")


def records(*rows: np.ndarray) -> Records:
    return Records(np.array(rows))


def row(kind="answered", tokens_in=1000, tokens_out=100, **more) -> np.ndarray:
    return Records.one(
        np.array([0.7, 0.3]), kind=kind, requests=1, tokens_in=tokens_in, tokens_out=tokens_out, **more
    )


def test_a_price_is_of_a_million_tokens():
    assert price(1_000_000, 500_000, PRICES) == 7
    assert price(1_000_000, 500_000, None) == 0


def test_what_is_under_way_counts_at_its_worst():
    meter = Meter(PRICES, limit=0.01, answer_tokens=100)
    worst = meter.worst(2976)  # 992 tokens and 8, at three characters each; 100 tokens out
    assert worst == pytest.approx(0.003)
    for place in range(3):
        assert meter.fits(2976)
        meter.asked(place, 2976)
    assert not meter.fits(2976)
    meter.answered(0, 3000, records(row(tokens_out=1)))
    assert meter.spent == pytest.approx(0.00201)
    meter.dropped(1)
    assert meter.fits(2900)


def test_what_was_paid_for_by_an_earlier_process_counts():
    meter = Meter(PRICES, limit=0.006, answer_tokens=100)
    meter.found(records(row(), row()))
    assert meter.spent == pytest.approx(0.006)
    assert not meter.fits(3)


def test_the_rest_is_told_by_what_came_before():
    meter = Meter(PRICES, limit=1, answer_tokens=100)
    assert meter.rest([300]) == pytest.approx((100 * 2 + 100 * 10) / 1e6)
    meter.answered(0, 4000, records(row(tokens_out=10)))
    assert meter.rest([4000, 4000]) == pytest.approx(2 * (1000 * 2 + 10 * 10) / 1e6)


def test_without_a_limit_anything_fits():
    assert Meter(None, None, 10**9).fits(10**9)


def test_figures_count_by_kind_and_have_no_word_of_a_text():
    said = records(
        row(), row("noClass", characters=31), row("cutOff", characters=5), row("noClass", characters=2)
    )
    figures = figures_of(said, ["a", "b", "c", "d"], PRICES)
    assert figures["unanswered"] == {"cutOff": 1, "noClass": 2}
    assert figures["examples"][0] == {"id": "b", "reason": "no class is named in an answer of 31 characters"}
    assert [example["id"] for example in figures["examples"]] == ["b", "c", "d"]
    assert (figures["tokensIn"], figures["tokensOut"], figures["requests"]) == (4000, 400, 4)
    assert figures["cost"] == pytest.approx(0.012)
    both = joined([figures, figures])
    assert (both["unanswered"], both["tokensIn"], len(both["examples"])) == (
        {"cutOff": 2, "noClass": 4},
        8000,
        3,
    )
    assert both["cost"] == pytest.approx(0.024)
    assert figures_of(said, ["a", "b", "c", "d"], None)["cost"] is None


def test_many_unusable_answers_are_a_warning():
    figures = figures_of(records(*[row()] * 97, *[row("cutOff")] * 3), ["x"] * 100, None)
    assert warnings(figures) == []
    figures = figures_of(records(*[row()] * 9, row("cutOff")), ["x"] * 10, None)
    assert warnings(figures) == ["1 of 10 questions got no usable answer (cutOff 1). Raise `maxTokensOut`."]
