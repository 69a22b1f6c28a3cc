"""Requests, and what servers, proxies and networks do in place of an answer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from io_kit import Clock, Object, answer, api_of, configuration_of, refuse, serving, status_of

from w2s_operator.cluster import api as api_module
from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.credentials import Credentials
from w2s_operator.cluster.errors import (
    LONGEST_RETRY_AFTER,
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooLarge,
    Unreachable,
    error_of,
)


def asked(respond: Callable[[web.Request], Any], act: Callable[[Api], Any]) -> Any:
    """What a request comes to."""

    async def test() -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            found = respond(request)
            return await found if asyncio.iscoroutine(found) else found

        async with asyncio.timeout(20), api_of(handler) as (api, _):
            return await act(api)

    return asyncio.run(test())


def get(api: Api) -> Any:
    return api.get("/api/v1/pods")


async def all_lines(api: Api) -> list[Object]:
    return [line async for line in api.lines("/api/v1/pods", {"watch": "true"})]


def test_a_bucket_lets_bursts_through_and_then_so_many_a_second():
    clock = Clock()
    bucket = Bucket(10, 5, clock)
    assert [bucket.wait() for _ in range(7)] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2])
    clock.now += 0.2
    assert bucket.wait() == pytest.approx(0.1)
    clock.now += 1e6
    assert [bucket.wait() for _ in range(6)] == pytest.approx([0, 0, 0, 0, 0, 0.1])


@pytest.mark.parametrize(
    ("code", "reason", "message", "kind"),
    [
        (400, "BadRequest", "", Invalid),
        (401, "Unauthorized", "", ApiError),
        (403, "Forbidden", "", Forbidden),
        (404, "NotFound", "", NotFound),
        (409, "Conflict", "", Conflict),
        (409, "AlreadyExists", "", AlreadyExists),
        (410, "Expired", "", Gone),
        (413, "RequestEntityTooLarge", "", TooLarge),
        (422, "Invalid", "", Invalid),
        (500, "InternalError", "etcdserver: request is too large", TooLarge),
        (429, "TooManyRequests", "", Unreachable),
        (500, "InternalError", "", Unreachable),
        (503, "ServiceUnavailable", "", Unreachable),
        (504, "Timeout", "", Unreachable),
    ],
)
def test_errors_by_status(code: int, reason: str, message: str, kind: type):
    found = error_of(code, {"reason": reason, "message": message})
    assert type(found) is kind
    assert found.code == code


@pytest.mark.parametrize(
    ("body", "header", "seconds"),
    [
        ({}, None, None),
        ({}, "3", 3.0),
        ({"details": {"retryAfterSeconds": 5}}, "3", 5.0),
        ({"details": "none"}, "soon", None),
        ({}, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ({}, "1e12", LONGEST_RETRY_AFTER),
        ({}, "-7", 0.0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(body: Object, header: str | None, seconds: float | None):
    assert error_of(429, body, header).retry_after == seconds


def test_too_many_requests_are_said_in_a_header_and_plain_text():
    with pytest.raises(Unreachable) as caught:
        asked(lambda _: web.Response(text="Too many requests", status=429, headers={"Retry-After": "2"}), get)
    assert caught.value.retry_after == 2
    assert "/api/v1/pods" in str(caught.value)


@pytest.mark.parametrize("text", ["<html>login</html>", "", "[]", "null"])
def test_what_is_no_object_is_no_answer(text: str):
    with pytest.raises(Unreachable):
        asked(lambda _: web.Response(text=text), get)


def test_a_server_that_is_silent_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_module, "TIMEOUT", 0.2)

    async def never(_: web.Request) -> web.Response:
        return await asyncio.Event().wait()

    with pytest.raises(Unreachable):
        asked(never, get)


@pytest.mark.parametrize("code", [200, 500])
def test_an_answer_that_stops_in_its_middle_is_unreachable(monkeypatch: pytest.MonkeyPatch, code: int):
    monkeypatch.setattr(api_module, "TIMEOUT", 0.3)

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=code)
        await response.prepare(request)
        await response.write(b'{"kind":')
        await asyncio.Event().wait()
        return response

    with pytest.raises(Unreachable):
        asked(half, get)


def test_nobody_there_is_unreachable():
    async def test() -> None:
        async with serving(lambda _: answer({})) as server:
            url = server.url
        codes: list[int] = []
        async with Api(
            Credentials(configuration_of(url)), Bucket(1e6, 10), lambda _, code: codes.append(code)
        ) as api:
            with pytest.raises(Unreachable):
                await api.get("/version")
        assert codes == [0]

    asyncio.run(test())


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_lines_of_a_watch_may_come_in_any_pieces(size: int):
    events = [{"type": "ADDED", "object": {"big": "ü" * 40_000}}, {"type": "BOOKMARK", "object": {}}]
    text = b"\n".join(json.dumps(one, ensure_ascii=False).encode() for one in events) + b"\n"
    text = text if size > 1 else b'{"a":1}\n\n{"b":"\xc3\xbc"}\n'

    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(text), size):
            await response.write(text[start : start + size])
        return response

    assert asked(pieces, all_lines) == (events if size > 1 else [{"a": 1}, {"b": "ü"}])


def test_a_watch_that_breaks_off_or_brings_no_json_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_module, "SILENCE", 0.2)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type": "ADDED"')
        await asyncio.Event().wait()
        return response

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"a": 1}\n')
        request.transport.close()
        return response

    for handler in (silent, cut, lambda _: web.Response(text="<html>\n")):
        with pytest.raises(Unreachable):
            asked(handler, all_lines)


def test_a_watch_that_is_refused_says_why():
    with pytest.raises(Gone):
        asked(lambda _: refuse(410, "Expired"), all_lines)


def test_a_status_object_says_what_was_refused():
    with pytest.raises(Conflict, match="Conflict said so"):
        asked(lambda _: answer(status_of(409, "Conflict"), 409), get)


def test_every_request_goes_through_the_bucket():
    """The fourth of four at once waits for three to be let through, 20 a second."""

    async def test() -> float:
        async def handler(_: web.Request) -> web.Response:
            return answer({})

        loop = asyncio.get_running_loop()
        async with (
            serving(handler) as server,
            Api(Credentials(configuration_of(server.url)), Bucket(20, 1)) as api,
        ):
            began = loop.time()
            await asyncio.gather(get(api), api.create("/x", {}), api.merge("/x", {}), api.delete("/x", {}))
            return loop.time() - began

    assert asyncio.run(test()) >= 0.14
