"""The Job of a run: names, ownership, what it does on failure, the frozen job file."""

import json
from pathlib import Path
from typing import Any

import pytest
from children_kit import DEFAULTS, INSTANCE, action, child, container, job, pod, spec, volumes
from pod_settings_kit import EVERYTHING

from w2s_api.names import ROOM, STAGE_KINDS
from w2s_api.pipeline import pipeline
from w2s_operator.children.job import MOST_ANNOTATIONS, ChildJobs, ManifestTooLarge, child_job
from w2s_operator.children.settings import Defaults, settings_hash
from w2s_operator.cluster.views import child_job_of
from w2s_trainer.contract.job import read_job

JOB_FILE = "w2s.dev/stage-job"


def test_the_job_of_a_plain_stage() -> None:
    made = child("select")
    template = made["spec"]["template"]
    frozen = template["metadata"]["annotations"].pop(JOB_FILE)
    labels = {
        "app.kubernetes.io/managed-by": "w2s-operator",
        "w2s.dev/job": "indemnity",
        "w2s.dev/job-uid": "9b2f0e4c-7a54-4a5e-8d43-1f0d8c1c2b3a",
        "w2s.dev/stage": "select",
        "w2s.dev/run": "1",
    }
    assert json.loads(frozen)["stage"] == "select"
    assert made == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "indemnity-select-95a4ee04-1",
            "namespace": "legal",
            "labels": labels,
            "annotations": {
                "w2s.dev/instance": INSTANCE,
                "w2s.dev/stage-key": action(spec(), "select").stage.key,
                "w2s.dev/pod-settings": settings_hash(spec(), "select", DEFAULTS),
            },
            "ownerReferences": [
                {
                    "apiVersion": "w2s.dev/v1alpha1",
                    "kind": "WeakToStrongJob",
                    "name": "indemnity",
                    "uid": "9b2f0e4c-7a54-4a5e-8d43-1f0d8c1c2b3a",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": "stage", "operator": "In", "values": [64, 65, 77]},
                    },
                    {
                        "action": "FailJob",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                ]
            },
            "template": {
                "metadata": {"labels": labels, "annotations": {"w2s.dev/instance": INSTANCE}},
                "spec": pod(made),
            },
        },
    }
    assert container(made)["command"] == ["w2s"]
    assert " ".join(container(made)["args"]) == (
        "stage select --job /w2s/job/job.json --last-words /dev/termination-log --scratch /w2s/scratch --cache /w2s/cache"
    )


def test_a_sharded_stage_is_one_indexed_job_whose_shards_are_lost_one_by_one() -> None:
    made = child("label-small")
    about = {
        name: value for name, value in made["spec"].items() if name not in ("template", "podFailurePolicy")
    }
    assert about == {
        "completionMode": "Indexed",
        "completions": 4,
        "parallelism": 4,
        "backoffLimitPerIndex": 0,
        "podReplacementPolicy": "Failed",
    }
    assert [rule["action"] for rule in made["spec"]["podFailurePolicy"]["rules"]] == ["FailJob", "FailIndex"]
    args = container(made)["args"]
    assert args[args.index("--shard") + 1] == "$(JOB_COMPLETION_INDEX)/4"
    assert "--shard" not in container(child("label-one"))["args"]


@pytest.mark.parametrize("stage", ["prepare", "label-small", "train-strong-0", "evaluate"])
def test_the_pod_finds_the_frozen_job_file_where_it_is_told_to(stage: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"pods__default": EVERYTHING, "execution__queueName": "q", "suspend": False}
    made = child(stage, **changes)
    (item,) = volumes(made)["job"]["downwardAPI"]["items"]
    assert item == {"path": "job.json", "fieldRef": {"fieldPath": f"metadata.annotations['{JOB_FILE}']"}}
    (tmp_path / "job.json").write_text(made["spec"]["template"]["metadata"]["annotations"][JOB_FILE])
    found = read_job(tmp_path / "job.json")
    assert found.spec == spec()  # what is about pods stays outside: it is no stage's business
    assert found.stage == action(spec(), stage).stage
    assert (found.namespace, found.name, found.key) == ("legal", "indemnity", found.stage.key)
    assert found.needs == {need: f"a-{need}" for need in found.stage.needs}
    assert (found.denied_seconds, found.unavailable_seconds) == (180, 120)


def test_the_planner_reads_back_what_was_made() -> None:
    made = child("train-strong-0")
    made["metadata"] |= {"uid": "j-1", "creationTimestamp": "2026-11-21T08:00:00Z"}
    seen = child_job_of(made)
    assert (seen.stage, seen.run, seen.instance) == ("train-strong-0", 1, INSTANCE)
    assert (seen.job, seen.job_uid) == ("indemnity", job().uid)
    assert seen.settings == settings_hash(spec(), "train", DEFAULTS)
    assert seen.stage_key == action(spec(), "train-strong-0").stage.key


def test_the_same_run_is_the_same_job_and_another_run_has_another_name() -> None:
    one, again = (child_job(job(), action(spec(), "select", 3), DEFAULTS) for _ in range(2))
    other = child_job(job(), action(spec(), "select", 4), DEFAULTS)
    assert json.dumps(one) == json.dumps(again)
    assert one["metadata"]["name"] != other["metadata"]["name"]


@pytest.mark.parametrize("stage", [one.name for one in pipeline(spec())])
def test_what_belongs_to_a_queue_or_to_the_planner_is_never_written(stage: str) -> None:
    made = child(
        stage, execution__queueName="all", execution__activeDeadlineSeconds=60, ttlSecondsAfterFinished=5
    )
    assert not {"suspend", "ttlSecondsAfterFinished", "activeDeadlineSeconds"} & set(made["spec"])
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "all"
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_a_stages_own_queue_comes_before_that_of_the_job() -> None:
    made = child("prepare", execution__queueName="gpus", pods__prepare={"queueName": "cpus"})
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "cpus"


@pytest.mark.parametrize(
    ("changes", "theirs"),
    [
        ({}, {}),
        ({"pods__default": {"labels": {"team": "legal"}}}, {}),  # of the pods alone
        (
            {"pods__default": {"labels": {"kueue.x-k8s.io/priority-class": "urgent", "team": "legal"}}},
            {"priority-class": "urgent"},
        ),
        (
            {
                "execution__queueName": "gpus",
                "pods__default": {"labels": {"kueue.x-k8s.io/priority-class": "urgent"}},
                "pods__prepare": {"labels": {"kueue.x-k8s.io/priority-class": "later"}},
            },
            {"queue-name": "gpus", "priority-class": "later"},
        ),
        ({"pods__default": {"labels": {"kueue.x-k8s.io/queue-name": "any"}}}, {"queue-name": "any"}),
        (
            {
                "pods__default": {"labels": {"kueue.x-k8s.io/queue-name": "any"}},
                "pods__prepare": {"queueName": "cpus"},
            },
            {"queue-name": "cpus"},
        ),
    ],
)
def test_what_kueue_reads_is_on_the_job(changes: dict[str, Any], theirs: dict[str, str]) -> None:
    labels = child("prepare", **changes)["metadata"]["labels"]
    kueue = {name: value for name, value in labels.items() if name.startswith("kueue.x-k8s.io/")}
    assert kueue == {f"kueue.x-k8s.io/{name}": value for name, value in theirs.items()}
    assert "team" not in labels


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"weak__labelers": "rules"}, "spec.weak"),
        (
            {"pods__default": {"annotations": {f"a{n}": "x" * 4096 for n in range(16)}}, "big": 200},
            "spec.weak",
        ),
    ],
)
def test_a_manifest_that_no_pod_can_be_given_is_refused_with_its_largest_part(
    change: dict[str, Any], hint: str
) -> None:
    count = change.pop("big", 270)
    rules = [{"className": "other", "pattern": "é" * 500} for _ in range(100)]
    labelers = [
        {"name": f"r{n}", "type": "Functions", "functions": {"rules": rules}} for n in range(count // 100 + 1)
    ]
    with pytest.raises(ManifestTooLarge, match=hint) as error:
        child("prepare", **(change | {"weak__labelers": labelers}))
    assert isinstance(error.value, ValueError)
    assert str(MOST_ANNOTATIONS) in str(error.value)


def test_the_hash_of_settings_is_the_same_in_every_version() -> None:
    changes: dict[str, Any] = {"pods__default": EVERYTHING, "storage__credentialsSecretRef": {"name": "keys"}}
    defaults = Defaults(image="registry.example.org/w2s-trainer:1")
    assert settings_hash(spec(), "prepare", defaults) == "60e1d37cf86cbb5fb6eb45a338e2c596"
    assert settings_hash(spec(**changes), "prepare", defaults) == "516263ca20a06ba69b2c520f0ce33679"


def test_an_upgrade_of_the_image_reaches_runs_that_wait_unless_they_name_their_own() -> None:
    newer = Defaults(image="registry.example.org/w2s-trainer:2")
    own = spec(pods__default={"image": "mine"})
    assert settings_hash(spec(), "train", DEFAULTS) != settings_hash(spec(), "train", newer)
    assert settings_hash(own, "train", DEFAULTS) == settings_hash(own, "train", newer)


def test_the_builder_knows_the_hashes_of_all_kinds_and_of_no_broken_spec() -> None:
    builder = ChildJobs(DEFAULTS)
    plain = spec().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert builder.settings_hash(json.dumps(plain).encode()) == {
        kind: settings_hash(spec(), kind, DEFAULTS) for kind in STAGE_KINDS
    }
    assert builder.settings_hash(b'{"task": 3}') == {}
    assert builder.child(job(), action(spec(), "select")) == child("select")


def test_names_fit_what_a_pods_host_may_be_called() -> None:
    labeler = "l" * 24
    long = spec(
        weak__labelers=[
            {
                "name": labeler,
                "type": "Classifier",
                "classifier": {"model": {"uri": "hf://legal/small"}},
                "shards": 64,
            }
        ]
    )
    name = "n" * (ROOM - len(f"label-{labeler}") - len("-255"))
    made = child_job(job(name), action(long, f"label-{labeler}", run=9999), DEFAULTS)
    assert len(made["metadata"]["name"] + "-255") <= 63
