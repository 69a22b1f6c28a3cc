"""When an endpoint is asked again, when it is given up, and how fast it is asked."""

import pytest

from w2s_trainer.stages.label.remote.patience import Gone, Pace, Patience, retry_after


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_up_to_a_bound_and_are_spread():
    low, high = (Patience(Clock(), lambda share=share: share, 1e9) for share in (0.0, 1.0))
    assert [high.wait(attempt, None) for attempt in (1, 2, 3, 7, 40)] == [0.5, 1, 2, 30, 30]
    assert [low.wait(attempt, None) for attempt in (1, 2, 3, 7, 40)] == [0.25, 0.5, 1, 15, 15]


def test_what_the_endpoint_asks_for_is_granted():
    patience = Patience(Clock(), lambda: 1.0)
    assert patience.wait(1, 17.0) == 17
    assert patience.wait(9, 1.0) == 30


@pytest.mark.parametrize("luck", [0.0, 1.0])
def test_a_minute_is_not_too_long(luck):
    clock = Clock()
    patience, attempt = Patience(clock, lambda: luck), 0
    while clock.now < 1060:
        attempt += 1
        clock.now += patience.wait(attempt, None)
    assert attempt < 15, "it is not asked all the time"


def test_it_is_given_up_after_its_patience_and_not_while_others_are_answered():
    clock = Clock()
    patience = Patience(clock, lambda: 1.0, 60)
    clock.now += 59
    assert patience.wait(2, None) == 1
    with pytest.raises(Gone) as gone:
        patience.wait(3, None)
    assert gone.value.args == (59,)
    patience.succeeded()
    assert patience.wait(3, None) == 2
    with pytest.raises(Gone):
        patience.wait(1, 61)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_both_forms_of_retry_after(headers, seconds):
    assert retry_after(headers, now=10.0) == seconds


def test_requests_are_spaced_evenly():
    clock = Clock()
    pace = Pace(120, clock)
    assert [pace.wait() for _ in range(3)] == [0, 0.5, 1.0]
    clock.now += 10
    assert [pace.wait(), pace.wait()] == [0, 0.5]
    assert [Pace(None, clock).wait() for _ in range(3)] == [0, 0, 0]
