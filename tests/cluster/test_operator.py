"""What the operator promises, before a real API server: its pods are fake and end as each test says."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import w2s_cluster
from contract_kit import (
    ARTIFACT,
    EVERY,
    SPEC,
    Api,
    Job,
    Object,
    Operator,
    changed,
    install_crd,
    namespace_of,
    pods,
    running,
    until,
    words,
)

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec

DONE = pods(message=words())
ALL_BUT_LAST = pods(message=words(artifacts=dict.fromkeys(EVERY[:6], ARTIFACT)))
"""All that comes before `evaluate` is in the store."""
FIGURES = {"metric": "MacroF1", "weak": 0.6, "candidate": 0.7, "gain": [0.1, 0.02, 0.18]}
CONDITIONS = ["Complete", "Failed", "Promoted", "Suspended", "Reconciling", "Stalled", "Advice"]
NOWHERE = {"nodeSelector": {"gpu": "none"}}
UP_TO_TRAIN = pods(message=words(artifacts=dict.fromkeys(EVERY[:4], ARTIFACT)))
L2 = {"type": "Head", "head": {"l2": "1"}}
"""Tuning that changes the keys of `train` and of what follows it."""


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Api:
    install_crd()
    return Api(kwok_cluster)


@pytest.fixture(scope="module")
def namespace(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


@pytest.fixture(scope="module")
def operator(
    api: Api, namespace: str, kwok_cluster: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    with running(
        Operator(kwok_cluster, tmp_path_factory.mktemp("operator"), namespace, W2S_LOST_AFTER="2")
    ) as made:
        yield made


@pytest.fixture
def job(request: pytest.FixtureRequest, api: Api, namespace: str, operator: Operator) -> Iterator[Job]:
    """A job of the test's own, not yet applied; every stage of it is done as soon as its pod runs."""
    name = "j" + str(abs(hash(request.node.name)) % 10**8)
    spec = changed(SPEC, {"pods__default": DONE, "pods__evaluate": pods(message=words(figures=FIGURES))})
    made = Job(
        api,
        namespace,
        name,
        changed(spec, {"pods__promote": pods(message=words(figures={"promoted": True}))}),
    )
    yield made
    if not made.gone():
        made.delete()


def meta_of_user(job: Job) -> Object:
    """What belongs to who applied the object."""
    meta = job.read()["metadata"]
    mine = [one for one in meta["managedFields"] if one.get("subresource") != "status"]
    return {"labels": meta["labels"], "annotations": meta.get("annotations"), "managed": mine,
            "generation": meta["generation"], "finalizers": meta.get("finalizers")}  # fmt: skip


# A whole job


def test_a_job_runs_to_its_end(job: Job):
    job.apply()
    first = job.until("the first status", lambda status: status.get("observedGeneration") == 1)
    assert [one["type"] for one in first["conditions"]] == CONDITIONS
    mine = meta_of_user(job)
    children: dict[str, Object] = {}

    def over() -> bool:
        children.update({one["metadata"]["name"]: one for one in job.children()})
        return job.condition()["status"] == "True"

    until("Complete=True", over, 60)
    status = job.status
    assert job.states() == dict.fromkeys(EVERY, "Done")
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Complete": "True", "Failed": "False", "Promoted": "True", "Suspended": "False",
        "Reconciling": "False", "Stalled": "False", "Advice": "Unknown",
    }  # fmt: skip
    assert status["gain"] == "+0.100 [+0.020, +0.180]"
    assert status["modelURI"] == f"s3://legal/w2s/jobs/{job.namespace}/{job.name}/model/"
    until("the children to be gone", lambda: not job.children() and not job.pods())

    uid = job.read()["metadata"]["uid"]
    assert children
    for name, child in children.items():
        meta, stage = child["metadata"], child["metadata"]["labels"]["w2s.dev/stage"]
        assert name.startswith(f"{job.name}-{stage}-")
        assert name.endswith("-1")
        assert meta["labels"] | {
            "app.kubernetes.io/managed-by": "w2s-operator",
            "w2s.dev/job": job.name,
            "w2s.dev/job-uid": uid,
            "w2s.dev/run": "1",
        } == meta["labels"]  # fmt: skip
        assert [(one["uid"], one["controller"]) for one in meta["ownerReferences"]] == [(uid, True)]
    assert meta_of_user(job) == mine
    writers = {
        one["manager"]
        for one in job.read()["metadata"]["managedFields"]
        if one.get("subresource") == "status"
    }
    assert writers == {"w2s-operator"}
    assert mine["finalizers"] is None
    assert mine["generation"] == 1
    before = job.read()
    job.apply()  # what GitOps does all day
    assert job.read() == before


def test_advice_is_a_condition_and_one_event_before_training_and_nothing_waits_for_it(job: Job):
    text = "The teacher answers 3 of 600 texts of the pool, fewer than your 64 gold labels."
    items = [{"code": "FewWeakLabels", "text": text}]
    foretold = {"status": "True", "reason": "FewWeakLabels", "advice": items}
    job.apply(
        pods__aggregate=pods(message=words(figures={"covered": 0.005, "foretold": foretold})),
        pods__train=pods(hold="true", stop_exit_code="75", message=words()),
    )
    job.running_pod("train")
    advice = job.condition("Advice")
    assert (advice["status"], advice["reason"], advice["message"]) == ("True", "FewWeakLabels", text)
    assert job.condition("Complete")["status"] == "Unknown"

    def events() -> list[Object]:
        path = f"/api/v1/namespaces/{job.namespace}/events"
        found = job.api("GET", path, fieldSelector=f"involvedObject.name={job.name}")["items"]
        return [one for one in found if one["reason"] == "Advice"]

    until("the Event", events)
    (event,) = events()
    assert (event["type"], event["message"]) == ("Warning", text)
    assert event.get("count", 1) == 1


def test_kubectl_get_tells_where_it_stands(job: Job):
    job.apply(pods__prepare=ALL_BUT_LAST).until_complete()
    shown = w2s_cluster.kubectl("get", "w2s", job.name, "-n", job.namespace, mode="kwok").splitlines()
    assert shown[0].split() == ["NAME", "STAGE", "PROGRESS", "GAIN", "COMPLETE", "REASON", "AGE"]
    assert "8/8" in shown[1]
    assert "+0.100 [+0.020, +0.180]" in shown[1]
    assert "Finished" in shown[1]


# How runs end: any stage will do, so it is the first


@pytest.mark.parametrize(("code", "reason"), [("64", "BAD_SPEC"), ("65", "BAD_DATA"), ("77", "DENIED")])
def test_what_a_person_must_mend_is_not_tried_again(job: Job, code: str, reason: str):
    said = json.dumps({"outcome": "Failed", "reason": reason, "message": "row 7 of pool.jsonl: no text."})
    job.apply(pods__prepare=pods(exit_code=code, message=said))
    status = job.until_complete("False")
    prepare = job.stage("prepare")
    assert (prepare["state"], prepare["run"], prepare["reason"]) == ("Failed", 1, reason)
    message = job.condition()["message"]
    assert "prepare" in message
    assert "row 7 of pool.jsonl" in message
    assert "w2s.dev/retry" in message
    found = {one["type"]: one["status"] for one in status["conditions"]}
    assert (found["Failed"], found["Stalled"], found["Reconciling"]) == ("True", "True", "False")


def test_a_fault_is_tried_again_as_often_as_is_allowed(job: Job):
    job.apply(pods__prepare=pods(exit_code="70"), execution__maxRetries=1)
    job.until_complete("False")
    prepare = job.stage("prepare")
    assert (prepare["state"], prepare["run"], prepare["failures"]) == ("Failed", 2, 2)
    assert "exit code 70" in prepare["message"]


def test_evictions_are_counted_and_not_charged(job: Job):
    told = pods(hold="true", stop_exit_code="75", message=words())
    job.apply(pods__prepare=told, execution__maxRetries=0)
    seen = ""
    for number in (1, 2, 3):
        pod = job.running_pod("prepare", other_than=seen)
        seen = pod["metadata"]["name"]
        job.evict(pod)
        job.until(f"disruption {number}", lambda _, n=number: job.stage("prepare").get("disruptions") == n)
    job.tell(job.running_pod("prepare", other_than=seen), hold=None)
    prepare = job.until_state("prepare", "Done")
    assert (prepare["run"], prepare["disruptions"], prepare.get("failures")) == (4, 3, None)


def test_an_evicted_pod_that_does_not_know_how_to_stop_is_not_charged_either(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="143", message=words()), execution__maxRetries=0)
    pod = job.running_pod("prepare")
    job.evict(pod)
    job.tell(job.running_pod("prepare", other_than=pod["metadata"]["name"]), hold=None)
    assert job.until_state("prepare", "Done")["disruptions"] == 1


def test_an_input_that_is_gone_is_resolved_again_and_not_for_ever(job: Job):
    job.apply(pods__label=pods(exit_code="66"))
    status = job.until_complete("False")
    assert status["resolutions"] == 3
    assert job.stage("label-small")["reason"] == "InputGone"
    assert job.stage("prepare")["state"] == "Done"


def test_a_pod_that_needs_too_much_memory_says_its_limit(job: Job):
    told = pods(hold="true") | {"resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "2Gi"}}}
    job.apply(pods__prepare=told, execution__maxRetries=0)
    pod = job.running_pod("prepare")
    killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": pod["status"]["startTime"],
              "finishedAt": pod["status"]["startTime"]}  # fmt: skip
    container = {**pod["status"]["containerStatuses"][0], "ready": False, "state": {"terminated": killed}}
    job.set_pod_status(pod, {"phase": "Failed", "containerStatuses": [container]})
    job.until_complete("False")
    assert job.stage("prepare")["reason"] == "OOMKilled"
    assert "2Gi" in job.condition()["message"]
    job.apply(pods__prepare=DONE | {"resources": {"limits": {"memory": "4Gi"}}})
    job.until_state("prepare", "Done")


# Why a pod does not start


def test_an_unschedulable_pod_is_told_in_the_schedulers_words_until_it_is_not(job: Job, api: Api):
    job.apply(pods__prepare=DONE | NOWHERE)
    job.until("Unschedulable", lambda _: job.condition()["reason"] == "Unschedulable", 10)
    assert "node affinity/selector" in job.condition()["message"]
    assert job.condition()["status"] == "Unknown"
    assert job.stage("prepare")["state"] == "Starting"
    api.merge("/api/v1/nodes/fake-0", {"metadata": {"labels": {"gpu": "none"}}})
    try:
        assert "message" not in job.until_state("prepare", "Done")
    finally:
        api.merge("/api/v1/nodes/fake-0", {"metadata": {"labels": {"gpu": None}}})


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CreateContainerConfigError"])
def test_an_image_or_a_setting_that_is_not_there_is_told_until_it_is(job: Job, reason: str):
    job.apply(pods__prepare=DONE | NOWHERE)  # on no node, so the test is its kubelet
    pod = until("the pod", lambda: next(iter(job.pods("prepare")), None))
    container = {"name": "stage", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    waiting = {"waiting": {"reason": reason, "message": "secret keys not found"}}
    job.set_pod_status(pod, {"containerStatuses": [{**container, "state": waiting}]})
    job.until(reason, lambda _: job.condition()["reason"] == reason, 10)
    assert "secret keys not found" in job.condition()["message"]
    runs = {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}
    job.set_pod_status(pod, {"containerStatuses": [{**container, "state": runs}]})
    job.until("Running", lambda _: job.condition()["reason"] == "Running", 10)
    assert "secret" not in job.condition()["message"]


def test_a_job_that_makes_no_pod_says_where_to_look(job: Job, api: Api, namespace: str):
    api.core.create_namespaced_resource_quota(
        namespace, {"metadata": {"name": job.name}, "spec": {"hard": {"requests.nvidia.com/gpu": "1"}}}
    )
    gpus = {"nvidia.com/gpu": "2"}
    job.apply(pods__prepare=DONE | {"resources": {"limits": gpus}})
    job.until("NoPod", lambda _: job.condition()["reason"] == "NoPod", 60)
    assert "kubectl describe job" in job.condition()["message"]
    api.core.delete_namespaced_resource_quota(job.name, namespace)
    job.apply(pods__prepare=DONE)
    job.until_state("prepare", "Done")


# Edits


def test_an_edit_stops_what_it_changes_and_leaves_the_rest(job: Job):
    told = pods(hold="true", stop_exit_code="75", message=words())
    job.apply(pods__prepare=UP_TO_TRAIN, pods__train=told)
    old = job.running_pod("train")
    job.apply(strong__tuning=L2)
    new = job.running_pod("train", other_than=old["metadata"]["name"])
    assert new["metadata"]["labels"]["w2s.dev/run"] == "1"
    until("the old pod to be gone", lambda: len(job.pods("train")) == 1)
    assert not {"label-small", "aggregate", "select"} & {
        one["metadata"]["labels"]["w2s.dev/stage"] for one in job.children()
    }
    job.tell(new, hold=None)
    train = job.until_state("train", "Done")
    assert (train.get("disruptions"), train.get("failures")) == (None, None)


def test_a_run_whose_key_did_not_change_goes_on_through_an_edit(job: Job):
    job.apply(pods__label=pods(hold="true", message=words()))
    pod = job.running_pod("label-small")
    job.apply(strong__tuning=L2)
    job.until("the edit to be seen", lambda status: status["observedGeneration"] == 2)
    job.until_state("prepare", "Done")
    job.tell(pod, hold=None)
    label = job.until_state("label-small", "Done")
    assert (label["run"], label.get("disruptions"), label.get("failures")) == (1, None, None)


def test_an_edit_that_returns_while_the_old_jobs_end(job: Job):
    told = pods(hold="true", stop_exit_code="75", message=words())
    first = job.apply(pods__prepare=UP_TO_TRAIN, pods__train=told).running_pod("train")
    job.tell(first, lost="true")  # it takes its time
    job.apply(strong__tuning=L2)
    second = job.running_pod("train", other_than=first["metadata"]["name"])
    job.apply(strong__tuning=None)
    job.until_state("train", "Stopping")
    assert first["metadata"]["name"] in {one["metadata"]["name"] for one in job.pods("train")}
    job.tell(first, lost=None)
    until(
        "the old pods to be gone",
        lambda: (
            not {first["metadata"]["uid"], second["metadata"]["uid"]}
            & {one["metadata"]["uid"] for one in job.pods("train")}
        ),
    )
    third = job.running_pod("train")
    job.tell(third, hold=None)
    train = job.until_state("train", "Done")
    assert (train.get("disruptions"), train.get("failures")) == (None, None)


def test_an_edit_of_pods_reaches_a_waiting_run_at_once_and_not_a_running_one(job: Job):
    told = pods(hold="true", message=words())
    job.apply(pods__prepare=told)
    running_one = job.running_pod("prepare")
    job.apply(pods__prepare=DONE, pods__label=DONE | NOWHERE)
    job.until("the generation to be seen", lambda status: status["observedGeneration"] == 2)
    job.tell(running_one, hold=None)
    job.until("Unschedulable", lambda _: job.condition()["reason"] == "Unschedulable")
    assert job.stage("prepare")["run"] == 1
    job.apply(pods__label=DONE)
    label = job.until_state("label-small", "Done")
    assert (label["run"], label.get("failures"), label.get("disruptions")) == (2, None, None)


def test_an_edit_after_the_end_runs_what_it_changes(job: Job):
    found = dict.fromkeys(("prepare", "label-small", "aggregate", "select"), ARTIFACT)
    job.apply(pods__prepare=pods(message=words(artifacts=found))).until_complete()
    job.apply(strong__tuning=L2)
    made: set[str] = set()

    def over() -> bool:
        made.update(one["metadata"]["labels"]["w2s.dev/stage"] for one in job.children())
        status = job.status
        return status["observedGeneration"] == 2 and status["conditions"][0]["status"] == "True"

    until("Complete", over)
    assert made == {"prepare", "train", "combine", "evaluate", "promote"}


def test_an_edit_after_the_end_that_changes_no_result_runs_nothing(job: Job):
    before = job.apply(pods__prepare=ALL_BUT_LAST).until_complete()
    after = job.apply(execution__maxRetries=5).until_complete()
    assert after["observedGeneration"] == 2
    assert not job.children()
    kept = ("startTime", "completionTime", "stages")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_a_corrected_manifest_is_all_it_takes(job: Job):
    job.apply(pods__prepare=pods(exit_code="65")).until_complete("False")
    job.apply(pods__prepare=DONE)
    assert job.until_state("prepare", "Done")["run"] == 2


def test_a_new_value_of_the_retry_annotation_is_all_it_takes(job: Job):
    job.apply(pods__label=pods(hold="true", message=words()))
    job.tell(job.running_pod("label-small"), exit_code="77", hold=None)
    job.until_complete("False")
    job.annotate(retry="1")
    job.tell(job.running_pod("label-small"), hold=None)
    job.until_state("label-small", "Done")
    assert job.status["retry"] == "1"


# Suspension, deadlines, the end


def test_suspend_ends_what_runs_and_resume_goes_on(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75", message=words()))
    pod = job.running_pod("prepare")
    job.tell(pod, lost="true")  # it takes its time
    job.apply(suspend=True)
    until("the pod to end", lambda: "deletionTimestamp" in job.api("GET", job.pod_path(pod))["metadata"])
    assert job.condition("Suspended")["status"] == "False", "its pod still has the GPUs"
    job.tell(pod, lost=None)
    job.until("Suspended", lambda _: job.condition("Suspended")["status"] == "True")
    assert job.condition("Reconciling")["status"] == "False"
    assert not [one for one in job.children() if "deletionTimestamp" not in one["metadata"]]
    job.apply(suspend=False)
    job.tell(job.running_pod("prepare"), hold=None)
    prepare = job.until_state("prepare", "Done")
    assert (prepare["run"], prepare.get("disruptions"), prepare.get("failures")) == (2, None, None)


def test_a_job_that_is_suspended_from_the_start_makes_nothing(job: Job):
    job.apply(suspend=True)
    job.until("Suspended", lambda _: job.condition("Suspended").get("status") == "True")
    assert not job.children()


def test_a_pod_that_does_not_start_in_time_fails_its_stage(job: Job):
    job.apply(pods__prepare=DONE | NOWHERE)
    job.until("the scheduler's words", lambda _: "node affinity/selector" in job.condition()["message"])
    job.apply(execution__pendingDeadlineSeconds=1)
    job.until_complete("False")
    assert job.stage("prepare")["reason"] == "PendingDeadlineExceeded"
    assert "node affinity/selector" in job.condition()["message"]
    until("the Job to be gone", lambda: not job.children())


def test_a_job_that_runs_for_too_long_fails(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75"), execution__activeDeadlineSeconds=2)
    job.until_complete("False", 15)
    assert job.stage("prepare")["reason"] == "ActiveDeadlineExceeded"
    until("the Job to be gone", lambda: not job.children())


def test_a_job_is_deleted_some_time_after_its_end(job: Job):
    job.apply(pods__prepare=pods(exit_code="65"), ttlSecondsAfterFinished=1)
    until("the job to be gone", job.gone)
    until("its children to be gone", lambda: not job.children())


def test_hands_off_means_hands_off(job: Job, operator: Operator):
    job.annotations = {"w2s.dev/hands-off": "true"}
    passes = operator.passes()
    job.apply()
    until("the operator to have looked", lambda: operator.passes() > passes)
    assert job.status["observedGeneration"] == -1
    assert not job.children()
    job.annotations = {}
    job.apply()
    job.until_state("prepare", "Done")


def test_another_manager_is_left_to_it(job: Job, operator: Operator):
    passes = operator.passes()
    job.apply(managedBy="example.org/other")
    until("the operator to have looked", lambda: operator.passes() > passes)
    assert job.status["observedGeneration"] == -1
    assert not job.children()


def test_a_job_that_is_deleted_while_it_runs_takes_everything_along(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75"))
    job.running_pod("prepare")
    job.delete()
    until("everything to be gone", lambda: job.gone() and not job.children() and not job.pods())


def test_a_job_that_is_deleted_and_applied_at_once_begins_anew(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75", message=words()))
    old = job.running_pod("prepare")
    job.delete()
    job.apply()
    # The Job of the one before may make a pod once more before the garbage collector takes it.
    new = job.running_pod("prepare", of=job.read()["metadata"]["uid"])
    assert new["metadata"]["name"] != old["metadata"]["name"]
    job.tell(new, hold=None)
    prepare = job.until_state("prepare", "Done")
    assert (prepare["run"], prepare.get("disruptions")) == (1, None)


# What the API server refuses


def test_a_quota_is_waited_for(job: Job, api: Api):
    with namespace_free_of_jobs(api, job):
        job.apply()
        job.until("Forbidden", lambda _: job.condition()["reason"] == "Forbidden", 15)
        assert "exceeded quota" in job.condition()["message"]
        assert job.condition()["status"] == "Unknown"
    job.until_state("prepare", "Done", seconds=60)


@contextmanager
def namespace_free_of_jobs(api: Api, job: Job) -> Iterator[None]:
    quota = {"metadata": {"name": job.name}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    path = f"/api/v1/namespaces/{job.namespace}/resourcequotas"
    api("POST", path, quota)
    until("the quota to hold", lambda: "hard" in api("GET", f"{path}/{job.name}")["status"])
    try:
        yield
    finally:
        api("DELETE", f"{path}/{job.name}")


def test_settings_that_the_api_server_does_not_take_fail_with_its_words(job: Job):
    term = {"matchExpressions": [{"key": "gpu", "operator": "In"}]}  # In wants values
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    job.apply(pods__prepare=DONE | {"affinity": {"nodeAffinity": required}})
    job.until_complete("False")
    assert job.stage("prepare")["reason"] == "Invalid"
    assert "must be specified when `operator` is 'In'" in job.condition()["message"]
    job.apply(pods__prepare=DONE)
    job.until_state("prepare", "Done")


def test_somebody_elses_job_of_the_same_name_is_said_and_left_alone(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75"))
    pod = job.running_pod("prepare")
    theirs = pod["metadata"]["labels"]["job-name"].removesuffix("-1") + "-2"
    template = {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "theirs"}], **NOWHERE}
    }
    body = {"metadata": {"name": theirs}, "spec": {"template": template}}
    uid = job.api.batch.create_namespaced_job(job.namespace, body).metadata.uid
    job.apply(pods__prepare=DONE)
    job.evict(pod)
    job.until("NameTaken", lambda _: job.condition()["reason"] == "NameTaken", 15)
    assert theirs in job.condition()["message"]
    assert job.api.batch.read_namespaced_job(theirs, job.namespace).metadata.uid == uid
    job.api.batch.delete_namespaced_job(theirs, job.namespace, propagation_policy="Background")
    assert job.until_state("prepare", "Done", seconds=60)["run"] == 2


def test_a_job_that_somebody_deletes_is_made_anew(job: Job):
    job.apply(pods__prepare=pods(hold="true", stop_exit_code="75", message=words()))
    pod = job.running_pod("prepare")
    job.until_state("prepare", "Running")
    name = pod["metadata"]["labels"]["job-name"]
    job.api.batch.delete_namespaced_job(name, job.namespace, propagation_policy="Background")
    job.tell(job.running_pod("prepare", other_than=pod["metadata"]["name"]), hold=None)
    prepare = job.until_state("prepare", "Done")
    assert (prepare["run"], prepare["disruptions"]) == (2, 1)


# Size


def test_the_largest_plan_with_the_longest_messages_stays_small(job: Job):
    labelers = [
        {"name": f"weak-{number}", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
        for number in range(8)
    ]
    job.name = "largest"
    evaluation = {"seeds": 20, "ceiling": True, "controls": ["GoldOnly", "Unfiltered", "ZeroShot"]}
    selection = {"steps": [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}]}
    said = json.dumps(
        {"outcome": "Failed", "reason": "OwnFault" * 8, "message": "Ä" * 1000}, ensure_ascii=False
    )
    job.apply(
        weak__labelers=labelers,
        strong__tuning={"type": "LoRA", "lora": {}},
        evaluation=evaluation,
        selection=selection,
        pods__train=pods(exit_code="70", message=said),
        execution__maxRetries=20,
        execution__retryBackoffSeconds=300,
    )
    assert len(pipeline(Spec.model_validate(job.read()["spec"]))) >= 90
    job.until(
        "every training to have failed once",
        lambda status: (
            sum(one.get("failures", 0) for one in status.get("stages", ()) if one["name"].startswith("train"))
            >= 81
        ),
        90,
    )
    status = job.status
    assert len(json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode()) < 16_384
    assert max(len(one["message"]) for one in status["conditions"]) <= 1024


# Queues


def test_a_queue_may_suspend_a_job_and_admit_it(job: Job):
    job.apply(
        execution__queueName="gpus", pods__prepare=DONE | NOWHERE, execution__pendingDeadlineSeconds=3600
    )
    child = until("the Job", lambda: job.child("prepare"))
    assert child["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    path = f"/apis/batch/v1/namespaces/{job.namespace}/jobs/{child['metadata']['name']}"
    job.api.merge(path, {"spec": {"suspend": True}})
    # Kueue's webhook suspends before anything starts; as it came later here, the traces of that are taken away.
    until("the pod to be gone", lambda: not job.pods("prepare"))
    job.api.merge(path + "/status", {"status": {"startTime": None}})
    job.until("Queued", lambda _: job.stage("prepare")["state"] == "Queued", 15)
    assert job.condition()["reason"] == "WaitingForAdmission"
    assert job.api("GET", path)["spec"]["suspend"] is True
    selector = {"kubernetes.io/hostname": "fake-0"}  # what an admission adds: where the quota is
    job.api.merge(path, {"spec": {"template": {"spec": {"nodeSelector": {"gpu": None, **selector}}}}})
    job.api.merge(path, {"spec": {"suspend": False}})
    prepare = job.until_state("prepare", "Done")
    assert (prepare["run"], prepare.get("disruptions")) == (1, None)


# Lost nodes


def test_a_run_on_a_lost_node_is_followed_by_another(job: Job, lost_node: str):
    told = pods(hold="true", message=words()) | {"nodeSelector": {"kubernetes.io/hostname": lost_node}}
    job.apply(pods__prepare=told | {"terminationGracePeriodSeconds": 1})
    pod = job.running_pod("prepare")
    w2s_cluster.lose_fake_node(lost_node)
    job.api("DELETE", job.pod_path(pod))  # as the node controller, 5 minutes later
    job.apply(pods__prepare=DONE)
    prepare = job.until_state("prepare", "Done", seconds=30)
    assert (prepare["run"], prepare["disruptions"]) == (2, 1)


@pytest.fixture
def lost_node() -> Iterator[str]:
    (name,) = w2s_cluster.fake_nodes(1, prefix="goes")
    yield name
    w2s_cluster.kubectl("delete", "node", name, mode="kwok")


# At rest


def test_who_has_nothing_to_do_does_nothing(job: Job, operator: Operator):
    job.apply(pods__prepare=NOWHERE)
    job.until("Unschedulable", lambda _: job.condition()["reason"] == "Unschedulable", 10)
    writes, since = -1.0, 0.0

    def has_said_all() -> bool:  # the Event comes after the status
        nonlocal writes, since
        now = operator.requests("PATCH", "POST", "DELETE")
        if now != writes:
            writes, since = now, time.monotonic()
        return time.monotonic() - since > 1

    until("a second without a write", has_said_all, 10)
    passes, since = operator.passes(), time.monotonic()
    until("four quiet seconds", lambda: time.monotonic() - since > 4)
    assert operator.requests("PATCH", "POST", "DELETE") == writes
    assert operator.passes() - passes <= 2
