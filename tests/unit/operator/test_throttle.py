"""When a status is written, and what of a change is told as an Event."""

from typing import Any

import pytest

from w2s_api.status import Status
from w2s_operator.status.job_events import job_events
from w2s_operator.status.throttle import PROBLEM_DELAY, PROGRESS_DELAY, SEEN_DELAY, STATE_DELAY, write_delay


def status(complete: tuple[str, str, str] = ("Unknown", "Running", ""), **train: Any) -> Status:
    state, reason, message = complete
    stage = {"name": "train", "state": "Running", "run": 1, "instance": "i", **train}
    conditions = [
        {"type": type_, "status": now, "reason": reason, "message": message, "lastTransitionTime": "2026-11-21T00:00:00Z"}
        for type_, now in (("Complete", state), ("Failed", {"True": "False", "False": "True"}.get(state, state)))
    ]  # fmt: skip
    return Status.model_validate({"observedGeneration": 1, "stages": [stage], "conditions": conditions})


STEP = {"step": 1, "total": 10}


@pytest.mark.parametrize(
    ("before", "after", "wait"),
    [
        (status(), status(), None),
        (status(), status(progress=STEP), PROGRESS_DELAY),
        (status(progress=STEP), status(progress=STEP | {"step": 2}), PROGRESS_DELAY),
        (status(state="Starting"), status(), STATE_DELAY),
        (
            status(state="Starting"),
            status(state="Starting", reason="Unschedulable", message="0/4"),
            PROBLEM_DELAY,
        ),
        (status(state="Starting", started=None), status(state="Starting", started=True), SEEN_DELAY),
        (status(), status(complete=("Unknown", "Starting", "other words")), STATE_DELAY),
        (status(state="Starting", reason="Unschedulable"), status(), PROBLEM_DELAY),
        (status(), status(run=2), 0.0),
        (status(), status(state="Done", artifact="a", ended=True), 0.0),
        (status(), status(state="Retrying", failures=1, ended=True), 0.0),
        (status(state="Waiting"), status(state="Suspended"), 0.0),
        (status(), status(disruptions=1), 0.0),
        (status(), status(complete=("True", "Finished", "")), 0.0),
        (status(), status(complete=("False", "BadData", "row 7")), 0.0),
    ],
)
def test_what_somebody_acts_on_is_written_at_once_and_the_rest_not_too_often(
    before: Status, after: Status, wait: float | None
):
    assert write_delay(before, after) == wait


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (status(), status(), []),
        (status(), status(state="Done"), []),
        (status(), status(state="Retrying", failures=1, reason="OOMKilled"), ["StageFailed"]),
        (status(failures=1), status(failures=1, run=2), []),
        (status(), status(disruptions=1, reason="NodeLost"), ["StageDisrupted"]),
        (status(state="Starting"), status(state="Starting", reason="Unschedulable"), ["Unschedulable"]),
        (status(state="Starting", reason="Unschedulable"), status(state="Starting", reason="Unschedulable", message="x"), []),
        (status(state="Starting", reason="Unschedulable"), status(state="Starting", reason="Unschedulable", run=2), ["Unschedulable"]),
        (status(), status(complete=("True", "Finished", "")), ["Complete"]),
        (status(), status(state="Failed", failures=1, complete=("False", "BadData", "row 7")), ["Failed"]),
        (status(complete=("False", "BadData", "")), status(complete=("False", "BadData", "")), []),
    ],
)  # fmt: skip
def test_an_event_is_told_when_something_goes_wrong_or_ends(before: Status, after: Status, told: list[str]):
    assert [one.reason for one in job_events(before, after)] == told
