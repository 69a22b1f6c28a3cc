"""Events: each thing once, and not every one is remembered for ever."""

import asyncio
import logging
from typing import Any

import pytest
from io_kit import Clock
from worker_kit import FakeApi

from w2s_api.status import Status
from w2s_operator.cluster.errors import Forbidden
from w2s_operator.cluster.events import REMEMBERED, REPEAT, Recorder
from w2s_operator.observed import Job
from w2s_operator.status.job_events import JobEvent


def job(name: str = "one", uid: str = "u-1") -> Job:
    return Job("legal", name, uid, "1", 1, 0.0, b"{}", Status())


NEWS = JobEvent("Warning", "StageFailed", "train, run 1: Fault: it broke")


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def post(recorder: Recorder, *what: tuple[Job, JobEvent]) -> None:
    async def all_of_them() -> None:
        for whose, one in what:
            await recorder.post(whose, one)

    asyncio.run(all_of_them())


def test_each_thing_is_said_once_an_hour(api: FakeApi):
    clock = Clock()
    recorder: Any = Recorder(api, clock)  # type: ignore[arg-type]
    post(
        recorder,
        (job(), NEWS),
        (job(), NEWS),
        (job(uid="u-2"), NEWS),
        (job(), JobEvent("Normal", "Complete", "x")),
    )
    assert [one["reason"] for one in api.events] == ["StageFailed", "StageFailed", "Complete"]
    clock.now += REPEAT
    post(recorder, (job(), NEWS))
    assert len(api.events) == 4


def test_an_event_names_its_job_and_is_cut_to_what_the_api_takes(api: FakeApi):
    recorder = Recorder(api, Clock())  # type: ignore[arg-type]
    post(recorder, (job("n" * 253), JobEvent("Warning", "StageFailed", "x" * 5000)))
    event = api.events[0]
    assert event["involvedObject"]["uid"] == "u-1"
    assert len(event["metadata"]["generateName"]) <= 201
    assert len(event["message"]) == 1024


def test_what_was_said_is_not_remembered_without_bound(api: FakeApi):
    recorder = Recorder(api, Clock())  # type: ignore[arg-type]
    post(recorder, *((job(uid=str(number)), NEWS) for number in range(REMEMBERED + 50)))
    assert len(recorder._posted) == REMEMBERED


def test_one_that_cannot_be_written_is_let_go(api: FakeApi, caplog: pytest.LogCaptureFixture):
    api.refuse("POST", "events", Forbidden(403, "Forbidden", "namespace is being terminated"), times=1)
    recorder = Recorder(api, Clock())  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        post(recorder, (job(), NEWS), (job(), NEWS))
    assert [one.levelname for one in caplog.records] == ["INFO", "WARNING", "INFO"]
    assert len(api.did("POST")) == 2  # it was not said yet
    assert "legal/one: StageFailed" in caplog.text
