"""What is written of a status: a field that is no longer set is cleared, whichever it is."""

import asyncio
from typing import Any

import pytest
from worker_kit import EPOCH, FakeApi

from w2s_api.status import Results, Status
from w2s_operator.observed import Job
from w2s_operator.requests import write_status

JOB = Job("legal", "one", "u-1", "7", 1, EPOCH, b"{}", Status())


def written(status: Status, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    bodies: list[Any] = []

    async def merge(_path: str, body: Any) -> Any:
        bodies.append(body)
        return body

    api = FakeApi()
    monkeypatch.setattr(api, "merge", merge)
    asyncio.run(write_status(api, JOB, status))  # type: ignore[arg-type]
    plain: dict[str, Any] = bodies[0]["status"]
    return plain


def names(model: type[Status] | type[Results]) -> set[str]:
    return set(model.model_json_schema(by_alias=True)["properties"])


def test_a_field_of_the_status_that_is_not_set_is_written_as_null(monkeypatch):
    patch = written(Status(observed_generation=3), monkeypatch)
    assert set(patch) == names(Status)
    assert patch["observedGeneration"] == 3
    assert patch["results"] is patch["gain"] is patch["modelURI"] is None


@pytest.mark.parametrize("name", sorted(Results.model_fields))
def test_a_result_that_is_not_set_is_written_as_null(name: str, monkeypatch):
    results = Results.model_validate({name: "0.5"})
    patch = written(Status(results=results), monkeypatch)["results"]
    assert set(patch) == names(Results)
    assert [value for value in patch.values() if value is not None] == ["0.5"]
