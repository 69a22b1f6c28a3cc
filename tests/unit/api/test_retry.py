"""One retry policy; the operator and `w2s run` have figures of their own."""

from dataclasses import replace

import pytest

from w2s_api.retry import RetryPolicy

APART = RetryPolicy(
    max_failures=2,
    max_disruptions=None,
    max_resolutions=3,
    failure_backoff=10,
    disruption_backoff=1,
    longest_backoff=300,
)
TOGETHER = replace(APART, max_disruptions=5, failure_backoff=1, disruption_backoff=None, longest_backoff=30)


@pytest.mark.parametrize(
    ("failures", "disruptions", "apart", "together"),
    [
        (0, 0, 0, 0),
        (1, 0, 10, 1),
        (0, 1, 1, 1),
        (2, 0, 20, 2),
        (0, 3, 4, 4),
        (1, 5, 16, 30),  # 2⁵ seconds, capped
        (2, 2, 20, 8),
        (10_000, 0, 300, 30),
        (0, 10_000, 300, 30),
    ],
)
def test_both_kinds_double_apart_or_together_and_are_capped(failures, disruptions, apart, together):
    assert APART.backoff(failures, disruptions) == apart
    assert TOGETHER.backoff(failures, disruptions) == together


@pytest.mark.parametrize(("lasted", "wait"), [(0, 128), (299.9, 128), (300, 1), (1e6, 1)])
def test_after_a_run_that_lasted_a_disruption_is_the_first_again(lasted, wait):
    assert APART.backoff(0, 8, lasted) == wait


@pytest.mark.parametrize(("resolutions", "again"), [(0, True), (2, True), (3, False), (4, False)])
def test_the_plan_is_resolved_again_some_times(resolutions, again):
    assert APART.may_resolve_again(resolutions) is again


def test_a_run_that_lasted_does_not_shorten_the_wait_after_failures():
    assert APART.backoff(2, 8, 300) == 20


@pytest.mark.parametrize(
    ("failures", "disruptions", "apart", "together"),
    [(0, 0, False, False), (2, 5, False, False), (3, 0, True, True), (0, 6, False, True), (0, 1000, False, True)],
)  # fmt: skip
def test_the_budget_counts_each_kind_by_itself(failures, disruptions, apart, together):
    assert APART.is_exhausted(failures, disruptions) is apart
    assert TOGETHER.is_exhausted(failures, disruptions) is together
