"""What more labels may bring: what the last step brought, and nothing beyond one doubling."""

from w2s_trainer.asking.outlook import outlook

CURVE = [
    {"labels": 16, "estimate": 0.70, "low": 0.60, "high": 0.80},
    {"labels": 32, "estimate": 0.75, "low": 0.66, "high": 0.84},
]
STEP = {"from": 16, "to": 32, "estimate": 0.05, "low": -0.01, "high": 0.11}


def said(more: int, **evaluation) -> str:
    return " ".join(outlook({"metric": "MacroF1", "goldOnlyCurve": CURVE, **evaluation}, more))


def test_the_last_step_has_its_own_interval_where_results_have_it():
    assert "+0.050 MacroF1 [-0.010, +0.110] from 16 to 32 labels" in said(16, lastDoubling=STEP)
    assert "one doubling of 32" in said(16 * 2, lastDoubling=STEP)
    assert "50% of a doubling of 32" in said(16, lastDoubling=STEP)


def test_older_results_have_the_points():
    assert "+0.050 MacroF1 from 16 labels ([0.600, 0.800]) to 32 ([0.660, 0.840])" in said(8)


def test_more_than_one_doubling_is_not_extrapolated():
    assert "what lies beyond 64 is not extrapolated" in said(33)


def test_without_a_curve_nothing_is_said_of_it():
    assert "not known" in said(8, goldOnlyCurve=CURVE[:1])
    assert "not known" in " ".join(outlook({"metric": "MacroF1"}, 8))
