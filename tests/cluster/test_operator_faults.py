"""The operator is killed, doubled or cut off; others write where it writes; namespaces go: no doubled child, no
lost job, no hot loop. The API server is real, pods are fake."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from contract_kit import (
    EVERY,
    SPEC,
    Api,
    Job,
    Operator,
    changed,
    compact_etcd,
    install_crd,
    namespace_of,
    pods,
    running,
    start_api_server,
    stop_api_server,
    until,
    words,
)
from kubernetes import client

DONE = pods(message=words())
KILLS, PIPELINES = 6, 5
"""Each kill meets every pipeline at another moment: 30 in all."""
AWAY = float(os.environ.get("W2S_AWAY", "10"))
"""Seconds that the API server is gone. Kubernetes' own controllers need as long again to come back."""


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Api:
    install_crd()
    return Api(kwok_cluster)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


@pytest.fixture
def operator(kwok_cluster: Path, tmp_path: Path, namespace: str) -> Operator:
    return Operator(kwok_cluster, tmp_path, namespace)


def a_job(api: Api, namespace: str, name: str, **changes: object) -> Job:
    return Job(api, namespace, name, changed(SPEC, {"pods__default": DONE, **changes}))


def jobs_path(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def assert_each_stage_ran_once(job: Job, added: list[str]) -> None:
    mine = sorted(name for name in added if name.startswith(f"{job.name}-"))
    assert len(mine) == len(set(mine)) == len(EVERY), mine
    assert all(name.endswith("-1") for name in mine), mine
    for stage in job.status["stages"]:
        assert (stage["state"], stage["run"]) == ("Done", 1), stage
        assert "failures" not in stage
        assert "disruptions" not in stage


def test_killed_at_thirty_moments_it_makes_the_same_children(api: Api, namespace: str, operator: Operator):
    seed = int(os.environ.get("W2S_SEED", random.randrange(10**6)))
    print(f"W2S_SEED={seed}")
    chance = random.Random(seed)
    with api.noting(jobs_path(namespace)) as added, ExitStack() as ending:
        ending.callback(operator.stop)
        operator.start()
        jobs = []
        for number in range(PIPELINES):
            jobs.append(a_job(api, namespace, f"pipe{number}").apply())
            time.sleep(chance.uniform(0, 0.3))  # so that they are not in step
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 1.5))
            operator.kill()
            operator.start()
        for job in jobs:
            job.until_complete()
    for job in jobs:
        assert_each_stage_ran_once(job, added)


def test_two_replicas_by_mistake_double_nothing(
    api: Api, namespace: str, operator: Operator, kwok_cluster: Path, tmp_path: Path
):
    twin = Operator(kwok_cluster, tmp_path, namespace)
    with api.noting(jobs_path(namespace)) as added, running(operator), running(twin):
        jobs = [a_job(api, namespace, f"pipe{number}").apply() for number in range(PIPELINES)]
        for job in jobs:
            job.until_complete()
    for job in jobs:
        assert_each_stage_ran_once(job, added)


def test_others_that_write_all_the_time_do_not_keep_it_from_its_work(
    api: Api, namespace: str, operator: Operator
):
    with api.noting(jobs_path(namespace)) as added, running(operator):
        job = a_job(api, namespace, "busy").apply()
        over = threading.Event()

        def write() -> None:
            number = 0
            while not over.wait(0.02):
                number += 1
                with suppress(client.ApiException):
                    api.merge(job.path, {"metadata": {"annotations": {"example.org/tick": str(number)}}})
                    api.merge(job.path + "/status", {"status": {"progress": f"theirs {number}"}})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            job.until_complete(seconds=60)
        finally:
            over.set()
            writer.join()
    assert_each_stage_ran_once(job, added)


def test_the_api_server_goes_for_a_while_and_forgets_what_was(api: Api, namespace: str, operator: Operator):
    with running(operator):
        job = a_job(api, namespace, "patient", pods__prepare=pods(hold="true", message=words())).apply()
        pod = job.running_pod("prepare")
        before = operator.requests("GET", "PATCH", "POST", "DELETE")
        stop_api_server()
        try:
            began = time.monotonic()
            compact_etcd()  # no watch can go on from where it was
            until("the outage to last", lambda: time.monotonic() - began > AWAY, AWAY + 5)
            assert operator.requests("GET", "PATCH", "POST", "DELETE") - before < 10 * AWAY
        finally:
            start_api_server()
        new = a_job(api, namespace, "after").apply()
        new.until("to be seen", lambda status: status["observedGeneration"] == 1, 30 + AWAY)
        assert operator.get("healthz") == (200, "ok")
        job.tell(pod, hold=None)
        job.until_state("label-small", "Done", seconds=60 + 3 * AWAY)
        assert {one["run"] for one in job.status["stages"]} <= {0, 1}


@pytest.mark.parametrize("up", [True, False], ids=["operator up", "operator down"])
def test_a_namespace_that_is_deleted_goes(api: Api, namespace: str, operator: Operator, up: bool):
    with running(operator):
        told = pods(hold="true", stop_exit_code="75", message=words())
        job = a_job(api, namespace, "goes", pods__prepare=told).apply()
        job.running_pod("prepare")
        if not up:
            operator.kill()
        api.core.delete_namespace(namespace)

        def gone() -> bool:
            try:
                api("GET", f"/api/v1/namespaces/{namespace}")
            except client.ApiException as error:
                return error.status == 404
            return False

        until("the namespace to be gone", gone, 60)
        if up:
            began, passes = time.monotonic(), operator.passes()
            until("two quiet seconds", lambda: time.monotonic() - began > 2)
            assert operator.passes() - passes <= 2
