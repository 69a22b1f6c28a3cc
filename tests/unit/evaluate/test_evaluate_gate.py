"""The promotion gate."""

from typing import Any

import pytest

from w2s_trainer.stages.evaluate.gate import apply_gate


def compared(**intervals: tuple[float, float]) -> dict[str, Any]:
    return {
        "candidate": "combined",
        "comparisons": [
            {"baseline": baseline, "estimate": (low + high) / 2, "low": low, "high": high}
            for baseline, (low, high) in intervals.items()
        ],
    }


@pytest.mark.parametrize(
    ("intervals", "must_beat", "least", "promoted"),
    [
        pytest.param({"weak": (0.01, 0.09)}, ["Weak"], 0.0, True, id="clearly better"),
        pytest.param({"weak": (0.0, 0.09)}, ["Weak"], 0.0, False, id="the bound must be above, not at"),
        pytest.param({"weak": (-0.01, 0.09)}, ["Weak"], 0.0, False, id="not clearly better"),
        pytest.param({"weak": (-0.09, -0.01)}, ["Weak"], 0.0, False, id="worse"),
        pytest.param({"weak": (0.01, 0.09)}, ["Weak"], 0.02, False, id="better, but by too little"),
        pytest.param({"weak": (0.03, 0.09)}, ["Weak"], 0.02, True, id="better by enough"),
        pytest.param({"weak": (-0.01, 0.0)}, ["Weak"], -0.02, True, id="not worse by more than .02"),
        pytest.param(
            {"weak": (0.1, 0.2), "gold-only": (-0.1, 0.1)}, ["Weak", "GoldOnly"], 0.0, False, id="all"
        ),
        pytest.param(
            {"weak": (0.1, 0.2), "gold-only": (-0.1, 0.1)}, ["Weak"], 0.0, True, id="only those named"
        ),
        pytest.param({"weak": (0.1, 0.2)}, ["Weak", "GoldOnly"], 0.0, False, id="what was not computed"),
        pytest.param({"weak": (-0.2, -0.1)}, [], 0.0, True, id="nothing to beat"),
    ],
)
def test_gate(
    intervals: dict[str, tuple[float, float]], must_beat: list[str], least: float, promoted: bool
) -> None:
    decision = apply_gate(compared(**intervals), must_beat, least)
    assert decision.promoted is promoted
    assert len(decision.reasons) == len(must_beat)


def test_the_reason_names_figures_and_bound() -> None:
    (reason,) = apply_gate(compared(weak=(-0.01, 0.05)), ["Weak"], 0.02).reasons
    assert reason == "combined − weak = +0.020 [-0.010, +0.050]: the lower bound is not above 0.02"
    (reason,) = apply_gate(compared(), ["GoldOnly"], 0.0).reasons
    assert reason == "combined − gold-only was not computed"
