"""Observe, plan, write, act: in that order, whatever the API server says, and no more often than is needed."""

import logging
from typing import Any

import pytest
from operator_kit import Cluster
from worker_kit import Bench

from w2s_api.status import StageProgress
from w2s_operator import worker
from w2s_operator.cluster.errors import Forbidden, Invalid, TooLarge, Unreachable
from w2s_operator.planning.actions import DeleteChild
from w2s_operator.planning.plan import Plan
from w2s_operator.worker import MIN_REQUEUE_DELAY

BATCH = "/apis/batch/v1/namespaces/legal/jobs"


@pytest.fixture
def bench(cluster: Cluster) -> Bench:
    return Bench(cluster.spec)


def many(cluster: Cluster, *names: str) -> Bench:
    return Bench(cluster.spec, names=names)


def test_the_run_is_written_before_it_is_made(bench: Bench):
    bench.step()
    writes = [(verb, path) for verb, path in bench.api.calls if verb != "GET"]
    assert writes[0] == ("PATCH", bench.path() + "/status")
    assert [verb for verb, path in writes].count("POST") == 1
    assert bench.stage("prepare")["run"] == 1
    assert len(bench.jobs_made()) == 1


def test_nothing_is_made_if_the_status_cannot_be_written(bench: Bench):
    bench.api.refuse("PATCH", "/status", Unreachable(503, "ServiceUnavailable", "not now"))
    bench.step()
    assert bench.jobs_made() == []


def test_it_rests_when_nothing_happens(bench: Bench):
    bench.step()
    before = len(bench.api.calls)
    for _ in range(100):
        bench.step(1.0)
    assert bench.api.did("POST", BATCH) == bench.api.did("POST", BATCH)[:1]
    assert len(bench.api.calls) - before <= 3
    assert bench.passes() < 20


def test_after_its_own_write_it_does_not_go_by_what_was_before(bench: Bench):
    old = bench.api.objects[bench.path()]
    bench.step()
    made, calls = bench.jobs_made(), len(bench.api.calls)
    bench.jobs.put(old)  # the watch is late
    bench.queue.add(("legal", "one"))
    bench.step()
    assert bench.jobs_made() == made
    assert len(bench.api.calls) == calls


def test_somebody_elses_write_is_read_and_planned_upon_without_a_word(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    bench.touch()
    with caplog.at_level(logging.INFO, "w2s_operator"):
        bench.step()
    assert len(bench.jobs_made()) == 1
    assert bench.errors("Conflict") == 0
    assert [one.getMessage() for one in caplog.records if "onflict" in one.getMessage()] == []


def test_who_writes_all_the_time_is_waited_for_and_not_fought(bench: Bench, caplog: pytest.LogCaptureFixture):
    def before(verb: str, path: str) -> None:
        if verb == "PATCH":
            bench.touch()

    bench.api.before = before
    with caplog.at_level(logging.INFO, "w2s_operator"):
        bench.step()
    assert bench.errors("Conflict") == 1
    assert len(bench.api.did("PATCH")) < 10
    assert not [one for one in caplog.records if one.levelno > logging.INFO]
    bench.api.before = lambda _verb, _path: None
    bench.step(1.0)
    assert len(bench.jobs_made()) == 1


def test_a_job_that_is_deleted_meanwhile_is_let_go_without_a_word(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    del bench.api.objects[bench.path()]
    with caplog.at_level(logging.INFO, "w2s_operator"):
        bench.step()
    assert bench.jobs.get(("legal", "one")) is None
    assert bench.jobs_made() == []
    assert caplog.records == []


def test_nothing_stays_of_a_job_that_is_gone(cluster: Cluster):
    names = tuple(f"j{number}" for number in range(20))
    bench = many(cluster, *names)
    bench.api.refuse("POST", BATCH, Forbidden(403, "Forbidden", "exceeded quota"))
    bench.step()
    assert len(bench.worker._memories) == 20
    for name in names:
        bench.jobs.drop(("legal", name))
    bench.step(100.0)
    assert bench.worker._memories == {}
    assert not any((bench.queue._failures, bench.queue._due, bench.queue._ready))


def test_one_of_the_same_name_begins_with_an_empty_memory(cluster: Cluster, bench: Bench):
    bench.api.refuse("POST", BATCH, Invalid(422, "Invalid", "no such thing"), times=1)
    bench.step()
    assert bench.stage("prepare")["state"] == "Failed"
    bench.apply("one", cluster.spec, uid="u-2")
    bench.step()
    assert bench.stage("prepare")["state"] == "Starting"
    assert bench.worker._memories["legal", "one"].refused == {}


@pytest.mark.parametrize(
    "error",
    [
        Invalid(422, "Invalid", "spec.x: wrong"),
        TooLarge(413, "TooLarge", "spec.x: wrong"),
        ValueError("spec.x: wrong"),
    ],
)
def test_what_would_be_refused_again_fails_at_once_with_its_words(bench: Bench, error: Any):
    if isinstance(error, ValueError):

        def child(job: Any, action: Any) -> Any:
            raise error

        bench.child = child  # type: ignore[method-assign]
    else:
        bench.api.refuse("POST", BATCH, error)
    bench.step()
    for _ in range(50):
        bench.step(10.0)
    assert bench.stage("prepare")["state"] == "Failed"
    assert "spec.x: wrong" in bench.stage("prepare")["message"]
    assert len(bench.api.did("POST", BATCH)) <= 1
    assert bench.errors("Invalid") == bench.errors("Defect") == 0


def test_what_may_be_taken_later_is_tried_again_ever_more_seldom(bench: Bench):
    bench.api.refuse("POST", BATCH, Forbidden(403, "Forbidden", "exceeded quota"))
    for _ in range(600):
        bench.step(1.0)
    tries = len(bench.api.did("POST", BATCH))
    assert 10 <= tries <= 25
    assert bench.stage("prepare")["reason"] == "Forbidden"
    assert "exceeded quota" in bench.stage("prepare")["message"]
    bench.api.refusals.clear()
    bench.step(61.0)
    assert len(bench.jobs_made()) == 1
    bench.step(61.0)
    assert bench.stage("prepare").get("reason") != "Forbidden"


def test_one_stage_that_is_refused_keeps_no_other_from_starting(cluster: Cluster, bench: Bench):
    labelers = cluster.spec["weak"]["labelers"]
    labelers.append({**labelers[0], "name": "second"})
    bench.apply("one", cluster.spec, generation=2)
    bench.step()
    done(bench, "prepare")
    bench.api.refuse("POST", "label-small", Forbidden(403, "Forbidden", "exceeded quota: gpus"))
    bench.step(1.0)
    assert any("label-second" in path for path in bench.jobs_made())
    assert not any("label-small" in path for path in bench.jobs_made())


def done(bench: Bench, stage: str) -> None:
    """A stage ends well, as its Job and pod say."""
    path = next(one for one in bench.jobs_made() if f"-{stage}-" in one)
    child = bench.api.objects[path]
    template = child["spec"]["template"]["metadata"]
    owner = {"kind": "Job", "name": child["metadata"]["name"], "uid": child["metadata"]["uid"]}
    words = '{"outcome": "Done", "artifact": "%s"}' % ("0123456789abcdef" * 4)
    times = {"startedAt": "2027-01-15T08:00:01Z", "finishedAt": "2027-01-15T08:00:02Z"}
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "message": words, **times}}
    bench.pods.put(
        {
            "metadata": {
                "namespace": "legal",
                "name": owner["name"] + "-x",
                "uid": "p-" + stage,
                "resourceVersion": "1",
                "creationTimestamp": "2027-01-15T08:00:00Z",
                "labels": template["labels"],
                "annotations": template.get("annotations", {}),
                "ownerReferences": [owner],
            },
            "status": {"phase": "Succeeded", "containerStatuses": [{"name": "stage", "state": state}]},
        }
    )
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": "2027-01-15T08:00:02Z"}
    bench.children.put(bench.api.put(path, {**child, "status": {"conditions": [ended]}}))


def exists(bench: Bench, **changes: Any) -> None:
    """A Job of the name that is about to be made is there, and no watch has brought it."""
    probe = Bench({})
    probe.apply("one", dict(bench.api.objects[bench.path()]["spec"]))
    probe.step()
    path = probe.jobs_made()[0]
    found = probe.api.objects[path]
    for name, value in changes.items():
        found["metadata"][name] = value
    bench.api.put(path, found)


def test_a_job_that_was_made_by_who_was_here_before_is_taken(bench: Bench):
    exists(bench)
    bench.step()
    assert len(bench.jobs_made()) == 1
    assert bench.errors("NameTaken") == 0
    assert len(bench.children) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"ownerReferences": [{"uid": "u-other", "controller": True, "kind": "WeakToStrongJob"}]},
        {"ownerReferences": []},
        {"annotations": {"w2s.dev/instance": "another"}},
        {"annotations": None},
        {"deletionTimestamp": "2027-01-15T08:00:00Z"},
    ],
    ids=["another owner", "no owner", "another instance", "no annotations", "being deleted"],
)
def test_somebody_elses_job_is_not_taken(bench: Bench, changes: dict[str, Any]):
    exists(bench, **changes)
    bench.step()
    assert len(bench.children) == 0
    assert bench.errors("NameTaken") == 1
    bench.step(1.0)
    bench.step(5.0)
    assert bench.stage("prepare")["reason"] == "NameTaken"
    bench.api.objects.pop(bench.jobs_made()[0])
    bench.step(61.0)
    assert len(bench.children) == 1


def test_a_defect_in_one_job_stops_no_other(cluster: Cluster, caplog: pytest.LogCaptureFixture):
    bench = many(cluster, "bad", "good")
    settings = bench.settings_hash

    def defect(spec: bytes) -> Any:
        if b'"defect"' in spec:
            raise ZeroDivisionError
        return settings(spec)

    bench.settings_hash = defect  # type: ignore[method-assign]
    bench.apply("bad", {**cluster.spec, "pods": {"default": {"labels": {"defect": "yes"}}}}, generation=2)
    bench.step()
    assert bench.errors("Defect") == 1
    assert bench.stage("prepare", "good")["run"] == 1
    for _ in range(300):
        bench.step(1.0)
    assert bench.errors("Defect") < 16
    assert "ZeroDivisionError" in caplog.text


def test_a_server_that_is_away_is_not_hammered_and_what_is_to_be_done_is_done_after(bench: Bench):
    for verb in ("PATCH", "POST", "GET"):
        bench.api.refuse(verb, "", Unreachable(0, "Unreachable", "refused"))
    for _ in range(60):
        bench.step(1.0)
    assert len(bench.api.calls) < 12
    bench.api.refusals.clear()
    bench.step(61.0)
    assert len(bench.jobs_made()) == 1


def test_the_pause_that_a_server_asks_for_is_made(bench: Bench):
    bench.api.refuse("PATCH", "", Unreachable(429, "TooManyRequests", "later", retry_after=40.0))
    bench.step()
    for _ in range(39):
        bench.step(1.0)
    assert len(bench.api.did("PATCH")) == 1
    bench.step(1.0)
    assert len(bench.api.did("PATCH")) == 2


def test_a_create_whose_answer_was_lost_makes_no_second(bench: Bench):
    lost = Unreachable(0, "Unreachable", "connection reset")
    create = bench.api.create

    async def create_and_lose(path: str, body: Any, params: Any = None) -> Any:
        await create(path, body, params)
        if path == BATCH and len(bench.api.did("POST", BATCH)) == 1:
            raise lost
        return body

    bench.api.create = create_and_lose  # type: ignore[method-assign]
    bench.step()
    bench.step(1.0)
    assert len(bench.jobs_made()) == 1
    assert len(bench.children) == 1
    assert bench.stage("prepare")["run"] == 1


def test_what_is_overdue_is_no_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def overdue(*_: Any) -> Plan:
        assert bench.passes() < 100, "a hot loop"  # which is a defect to the worker, and so ends
        return Plan(wake_at=0.0)

    monkeypatch.setattr(worker, "plan", overdue)
    bench.step()
    passes = bench.passes()
    for _ in range(100):
        bench.step(0.1)
    assert bench.passes() - passes <= 10 / MIN_REQUEUE_DELAY
    assert bench.errors("Defect") == 0


def test_a_job_that_the_cache_has_and_the_server_has_not_is_deleted_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.step()
    child = next(iter(bench.children))
    bench.api.objects.pop(bench.jobs_made()[0])

    def delete(observed: Any, *_: Any) -> Plan:
        return Plan(actions=tuple(DeleteChild(one.name, one.uid, "Test") for one in observed.children))

    monkeypatch.setattr(worker, "plan", delete)
    bench.queue.add(("legal", "one"))
    bench.step()
    assert bench.api.did("DELETE") == [f"{BATCH}/{child.name}"]
    assert len(bench.children) == 0


def test_progress_is_written_every_15_seconds_and_only_that_of_its_own_pods(cluster: Cluster, bench: Bench):
    bench.step()
    path = bench.jobs_made()[0]
    child = bench.api.objects[path]
    template = child["spec"]["template"]["metadata"]
    name = child["metadata"]["name"] + "-x"
    owner = {"kind": "Job", "name": child["metadata"]["name"], "uid": child["metadata"]["uid"]}
    bench.pods.put(
        {
            "metadata": {
                "namespace": "legal", "name": name, "uid": "p", "resourceVersion": "1",
                "creationTimestamp": "2027-01-15T08:00:00Z", "labels": template["labels"],
                "annotations": template.get("annotations", {}), "ownerReferences": [owner],
            },
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {"name": "stage", "state": {"running": {"startedAt": "2027-01-15T08:00:01Z"}}}
                ],
            },
        }
    )  # fmt: skip
    writes = len(bench.api.did("PATCH"))
    for second in range(1, 121):
        bench.progress["legal", name] = StageProgress(
            step=second, total=120, observed_time="2027-01-15T08:00:00Z"
        )
        bench.progress["hostile", name] = StageProgress(step=666, total=666)
        bench.queue.add(("legal", "one"))
        bench.step(1.0)
    assert 120 / 15 - 2 <= len(bench.api.did("PATCH")) - writes <= 120 / 15 + 2
    assert 100 <= bench.stage("prepare")["progress"]["step"] <= 120


def test_a_job_that_was_deleted_and_applied_anew_unseen_begins_anew(bench: Bench):
    raw = bench.api.objects[bench.path()]
    bench.api.put(bench.path(), {**raw, "metadata": {**raw["metadata"], "uid": "u-2"}})
    bench.step()
    assert bench.jobs.get(("legal", "one")).uid == "u-2"  # type: ignore[union-attr]
    assert [bench.api.objects[one]["metadata"]["ownerReferences"][0]["uid"] for one in bench.jobs_made()] == [
        "u-2"
    ]


def test_a_delete_that_is_refused_once_is_made_again(bench: Bench):
    bench.step()
    (job,) = bench.jobs_made()
    raw = bench.api.objects[bench.path()]
    raw["spec"]["suspend"], raw["metadata"]["generation"] = True, 2
    bench.jobs.put(bench.api.put(bench.path(), raw))
    bench.api.refuse("DELETE", "/jobs/", Unreachable(500, "InternalError", "etcd has no leader"), times=1)
    for _ in range(3):
        bench.step(30)
    assert job not in bench.jobs_made()
    assert len(bench.api.did("DELETE")) == 2


def test_a_webhook_that_is_away_is_told(bench: Bench):
    bench.api.refuse("POST", "/jobs/", Unreachable(500, "InternalError", "failed calling webhook mjob.kb.io"))
    for _ in range(3):
        bench.step(60)
    assert "mjob.kb.io" in bench.stage("prepare")["message"]
