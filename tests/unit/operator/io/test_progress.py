"""How far pods are, from what they print; what they print may be hostile."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from io_kit import api_of, going, pod, refuse, until

from w2s_operator.cluster import logs
from w2s_operator.cluster.logs import ProgressReader, progress_of
from w2s_operator.cluster.views import child_pod_of, words_of

NOW = "2026-01-01T00:00:00Z"


def line(**plain: Any) -> str:
    return json.dumps({"message": "training", "step": 1, "total": 10} | plain)


def test_the_last_line_of_progress_counts():
    tail = "\n".join(
        [line(step=3), line(step=7, eta=12.6, loss=0.51239), '{"message": "saved"}', "plain", "{cut off"]
    )
    found = progress_of(tail, NOW)
    assert found is not None
    assert (found.phase, found.step, found.total, found.eta_seconds, str(found.loss)) == (
        "training",
        7,
        10,
        13,
        "0.5124",
    )


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "no progress",
        "{",
        "[1]",
        "{}",
        '{"a":' * 3000,
        '{"step":' + "9" * 5000 + "}",
        line(step=-1),
        line(step=True),
        line(step="7"),
        line(step=1.5),
        line(total=None),
        line(step=2**60),
        '{"step": NaN, "total": Infinity}',
    ],
)
def test_what_is_no_progress_is_none(tail: str):
    assert progress_of(tail, NOW) is None
    assert progress_of(f"{line(step=5)}\n{tail}", NOW) is not None


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"message": "\x1b[2Jred\n\u202e\ud800"}, "phase", "[2Jred"),
        ({"message": "x" * 10_000}, "phase", "x" * 64),
        ({"message": {"a": [1]}}, "phase", "{'a': [1]}"),
        ({"eta": float("nan")}, "eta_seconds", None),
        ({"eta": -1}, "eta_seconds", None),
        ({"eta": 1e300}, "eta_seconds", None),
        ({"loss": float("inf")}, "loss", None),
        ({"loss": "low"}, "loss", None),
        ({"loss": [1]}, "loss", None),
    ],
)
def test_hostile_values_are_left_out(given: dict[str, Any], name: str, expected: Any):
    found = progress_of(line(**given), NOW)
    assert found is not None
    assert getattr(found, name) == expected


@pytest.mark.parametrize(
    "message", ["[" * 4096, '{"figures":' + '{"a":' * 900, "{}" * 4096, "null", '"a"', "1e999"]
)
def test_last_words_that_are_none_are_none(message: str):
    assert words_of(message) is None


def test_each_running_pod_is_looked_at_in_turn_and_one_that_does_not_answer_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(logs, "INTERVAL", 0.05)
    seen: list[str] = []
    pods = [child_pod_of(pod(name)) for name in ("a", "refused", "b")]
    pods.append(child_pod_of(pod("pending", running=False)))
    other = pod("a")
    other["metadata"]["namespace"] = "hostile"
    pods.append(child_pod_of(other))

    async def handler(request: web.Request) -> web.StreamResponse:
        _, _, _, _, namespace, _, name, _ = request.path.split("/")
        seen.append(name)
        assert request.query["limitBytes"] == "16384"
        if name == "refused":
            return refuse(403, "Forbidden")
        step = 666 if namespace == "hostile" else seen.count(name)
        return web.Response(text=line(step=step, total=1000))

    async def test() -> None:
        changed: list[Any] = []
        async with asyncio.timeout(20), api_of(handler) as (api, _):
            reader = ProgressReader(api, pods, changed.append, clock=lambda: 0.0)
            async with going(reader.run()):
                await until("two rounds", lambda: seen.count("b") >= 2)
                await until("all", lambda: len(reader.progress) == 3)
                assert reader.progress["hostile", "a"].step == 666
                assert reader.progress["legal", "a"].step != 666
                assert ("legal", "one") in changed
                assert "pending" not in seen
                pods.clear()
                await until("nothing to be kept", lambda: reader.progress == {})

    asyncio.run(test())
