"""Probes, metrics, settings, logs: what tells people and Kubernetes how the operator is."""

import asyncio
import json
import logging
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from io_kit import Clock

from w2s_api.status import StageStatus, Status
from w2s_operator.children.settings import Defaults
from w2s_operator.cluster.errors import ApiError
from w2s_operator.logs import JsonFormatter, as_json
from w2s_operator.metrics import Metrics
from w2s_operator.probes import STALE, STUCK, Health, Watch, serve
from w2s_operator.settings import LOG_LEVELS, OperatorSettings


class Parts:
    def __init__(self) -> None:
        self.clock = Clock()
        self.watches = [Watch("pods", self.clock.now), Watch("jobs", self.clock.now, patience=10 * STALE)]
        self.standstill = 0.0
        self.more: list[str] = []

    def health(self) -> Health:
        return Health(lambda: self.watches, lambda: self.standstill, lambda: self.more, self.clock)


def test_all_is_well():
    health = Parts().health()
    assert health.problems() == []
    assert health.troubles() == {"": []}
    assert health.ready()


def test_a_silent_watch_is_dead_by_its_own_measure():
    parts = Parts()
    parts.clock.now += STALE + 1
    assert parts.health().problems() == ["watch of pods silent for 181 s"]
    parts.clock.now += 10 * STALE
    assert len(parts.health().problems()) == 2


def test_a_watch_that_is_refused_is_alive_and_not_ready():
    parts = Parts()
    parts.watches[0] = Watch("pods", parts.clock.now, "403 Forbidden: no")
    health = parts.health()
    assert health.problems() == []
    assert health.troubles() == {"": ["watch of pods: 403 Forbidden: no"]}
    assert not health.ready()


def test_one_namespace_without_rights_leaves_the_others_ready():
    parts = Parts()
    good, bad = (Watch(name, parts.clock.now, namespace=name) for name in ("legal", "sales"))
    parts.watches = [good, replace(bad, trouble="403 Forbidden: no"), bad]
    assert parts.health().ready()
    assert parts.health().troubles() == {"legal": [], "sales": ["watch of sales: 403 Forbidden: no"]}
    parts.watches = [replace(good, trouble="away"), *parts.watches[1:]]
    assert not parts.health().ready()


def test_a_stuck_queue_and_an_ended_part_are_problems():
    parts = Parts()
    parts.standstill = STUCK + 1
    parts.more = ["workers has ended: KeyError()"]
    assert parts.health().problems() == ["jobs have waited for 121 s", "workers has ended: KeyError()"]


def test_who_watches_nothing_is_not_ready():
    parts = Parts()
    parts.watches = []
    assert not parts.health().ready()


def test_probes_are_served():
    async def test() -> None:
        parts = Parts()
        runner = await serve(parts.health(), Metrics(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with ClientSession() as session:

                async def ask(page: str) -> tuple[int, str]:
                    async with session.get(f"{url}/{page}") as answer:
                        return answer.status, await answer.text()

                assert await ask("healthz") == await ask("readyz") == (200, "ok")
                parts.more = ["gone"]
                assert await ask("healthz") == (500, "gone")
                parts.watches.append(Watch("jobs of legal", parts.clock.now, "refused", namespace="legal"))
                assert await ask("readyz") == (200, "watch of jobs of legal: refused")
                parts.watches = parts.watches[2:]
                assert await ask("readyz") == (503, "watch of jobs of legal: refused")
                code, text = await ask("metrics")
                assert code == 200
                assert "w2s_reconcile_seconds_count" in text
        finally:
            await runner.cleanup()

    asyncio.run(test())


def test_watches_that_fail_are_counted_by_namespace():
    metrics = Metrics()
    troubles: dict[str, list[str]] = {"legal": [], "sales": ["jobs: no", "pods: no"]}
    metrics.watching(lambda: troubles, ["legal", "sales", "new"])
    value = metrics.registry.get_sample_value
    for namespace, count in (("legal", 0), ("sales", 2), ("new", 0)):
        assert value("w2s_watches_failing", {"namespace": namespace}) == count


def test_labels_of_metrics_are_bounded_whatever_stages_are_called():
    metrics = Metrics()
    for number in range(200):
        names = (f"label-{number}", f"train-strong-{number}", f"hostile{number}")
        before = Status(stages=[StageStatus(name=name, state="Starting") for name in names])
        after = Status(
            stages=[
                StageStatus(name=name, state="Failed", failures=1, disruptions=1, reason=f"R{number}")
                for name in names
            ]
        )
        metrics.wrote(before, after)
    series = [
        one for one in metrics.text().decode().splitlines() if one.startswith("w2s_stage_runs_ended_total{")
    ]
    assert len(series) == 3 * 2  # kinds label, train, other; Failed and Disrupted
    metrics.register_gauges(lambda: {"True": 3, "Hostile": 5}, lambda: 7)
    text = metrics.text().decode()
    assert 'w2s_jobs{complete="True"} 3.0' in text
    assert "Hostile" not in text
    assert "w2s_queue_depth 7.0" in text


def test_a_run_that_ended_is_counted_once():
    metrics = Metrics()
    times = {"start_time": "2026-01-01T00:00:00Z", "completion_time": "2026-01-01T00:01:00Z"}
    done = Status(stages=[StageStatus(name="train", state="Done", **times)])
    metrics.wrote(Status(), done)
    metrics.wrote(done, done)
    value = metrics.registry.get_sample_value
    assert value("w2s_stage_runs_ended_total", {"kind": "train", "outcome": "Done"}) == 1
    assert value("w2s_stage_seconds_sum", {"kind": "train"}) == 60


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        ({"state": "Running"}, {"state": "Retrying", "failures": 1}, "Failed"),
        ({"state": "Running", "failures": 2}, {"state": "Failed", "failures": 3}, "Failed"),
        ({"state": "Running"}, {"state": "Failed"}, "Failed"),  # exit code 65: no retry, nothing is charged
        ({"state": "Running"}, {"state": "Retrying", "disruptions": 1}, "Disrupted"),
        ({"state": "Running"}, {"state": "Reused"}, "Reused"),
        ({"state": "Failed", "failures": 3}, {"state": "Waiting"}, None),
        ({"state": "Starting"}, {"state": "Running"}, None),
    ],
)
def test_how_a_run_ended_is_read_from_the_status(old: Any, new: Any, outcome: str | None):
    metrics = Metrics()
    before, after = (Status(stages=[StageStatus(name="train", **one)]) for one in (old, new))
    metrics.wrote(before, after)
    metrics.wrote(after, after)
    (ended,) = (one for one in metrics.registry.collect() if one.name == "w2s_stage_runs_ended")
    found = {one.labels["outcome"]: one.value for one in ended.samples if one.name.endswith("_total")}
    assert found == ({outcome: 1} if outcome else {})


def test_every_metric_is_documented_with_its_labels_and_none_that_there_is_not():
    metrics = Metrics()
    metrics.failed("Defect")
    metrics.requested("get", 200)
    metrics.register_gauges(dict, lambda: 0)
    metrics.watching(dict, [""])
    times = {"start_time": "2026-01-01T00:00:00Z", "completion_time": "2026-01-01T00:01:00Z"}
    metrics.wrote(Status(), Status(stages=[StageStatus(name="train", state="Done", **times)]))
    there = {
        family.name + ("_total" if family.type == "counter" else ""): {
            label for one in family.samples for label in one.labels
        }
        - {"le"}
        for family in metrics.registry.collect()
    }
    page = (Path(__file__).parents[4] / "docs" / "operator.md").read_text()
    section = page.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    told = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.M)
    }
    assert told == there


def test_settings_come_from_the_environment_and_what_is_empty_is_not_set():
    found = OperatorSettings.from_environment(
        {
            "W2S_TRAINER_IMAGE": "i",
            "W2S_NAMESPACES": " a, b,,a",
            "W2S_QPS": "",
            "W2S_WORKERS": "3",
            "PATH": "x",
        }
    )
    assert (found.trainer_image, found.namespaces, found.workers) == ("i", ("a", "b"), 3)
    assert found.requests_per_second == OperatorSettings.requests_per_second
    assert found.defaults == Defaults(image="i")


def test_only_its_own_variables_are_read():
    found = OperatorSettings.from_environment(
        {"W2S_TRAINER_IMAGE": "i", "USER": "w2s-operator", "HOST": "node", "PORT": "tcp://10.0.0.1"}
    )
    assert found == OperatorSettings("i")


@pytest.mark.parametrize(
    ("name", "value", "field", "found"),
    [
        ("USER", "1000660000", "user", 1000660000),
        ("USER", "", "user", None),
        ("IMAGE_PULL_SECRETS", "", "image_pull_secrets", ()),
        ("IMAGE_PULL_SECRETS", "one, two", "image_pull_secrets", ("one", "two")),
    ],
)
def test_defaults_of_stage_pods_come_from_the_environment(name: str, value: str, field: str, found: Any):
    settings = OperatorSettings.from_environment({"W2S_TRAINER_IMAGE": "i", f"W2S_{name}": value})
    assert getattr(settings.defaults, field) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QPS", "0"),
        ("QPS", "many"),
        ("QPS", "nan"),
        ("QPS", "inf"),
        ("BURST", "0"),
        ("WORKERS", "-1"),
        ("PORT", "x"),
        ("LOST_AFTER", "-1"),
        ("USER", "0"),
        ("USER", "root"),
        ("USER", "65532.0"),
        ("USER", "2147483648"),
        ("LOG_LEVEL", "INFO"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str):
    with pytest.raises(ValueError, match=f"W2S_{name} is '{value}'"):
        OperatorSettings.from_environment({"W2S_TRAINER_IMAGE": "i", f"W2S_{name}": value})


def test_without_an_image_it_does_not_start():
    with pytest.raises(ValueError, match="W2S_TRAINER_IMAGE"):
        OperatorSettings.from_environment({})


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Request attempt #3 failed; will retry: GET https://10.0.0.1/apis/…/weaktostrongjobs -> 404", False),
        ("Request attempt #3 failed; will retry: GET https://10.0.0.1/apis -> 403", True),
        ("Event processing has failed for weaktostrongjobs", True),
    ],
)
def test_of_kopfs_attempts_at_the_jobs_only_the_first_is_told(
    message: str, told: bool, capsys: pytest.CaptureFixture[str]
):
    before = logging.root.handlers[:]
    as_json(logging.INFO)
    try:
        logging.getLogger("kopf.test").error(message)
    finally:
        logging.root.handlers[:] = before
    assert (message[:20] in capsys.readouterr().err) is told


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["w2s debug", "w2s info", "w2s warning", "w2s error", "kopf warning", "kopf error"]),
        ("", ["w2s info", "w2s warning", "w2s error", "kopf warning", "kopf error"]),
        ("error", ["w2s error", "kopf error"]),
    ],
)
def test_the_level_says_what_is_logged(level: str, told: list[str], capsys: pytest.CaptureFixture[str]):
    before = logging.root.handlers[:]
    environment = {"W2S_TRAINER_IMAGE": "i", "W2S_LOG_LEVEL": level}
    try:
        as_json(OperatorSettings.from_environment(environment).log_level)
        for logger in ("w2s", "kopf"):
            for name in LOG_LEVELS:
                logging.getLogger(f"{logger}.test").log(LOG_LEVELS[name], "%s %s", logger, name)
    finally:
        logging.root.handlers[:] = before
        logging.getLogger().setLevel(logging.WARNING)
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == told


def test_a_log_line_is_one_json_object_whatever_is_in_it():
    try:
        raise ApiError(500, "Odd", 'line\n"two"')
    except ApiError:
        info: Any = sys.exc_info()
    record = logging.LogRecord("w2s", logging.WARNING, "", 0, "%s\n\x1b[2J", ("a",), info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    said = json.loads(line)
    assert (said["level"], said["message"]) == ("warning", "a\n\x1b[2J")
    assert "Odd" in said["trace"]
