"""A manifest with every kind of stage, and the child Jobs that are made of it."""

import copy
import json
from typing import Any

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.status import Status
from w2s_operator.children.job import child_job
from w2s_operator.children.settings import Defaults
from w2s_operator.observed import Job
from w2s_operator.planning.actions import CreateRun

DEFAULTS = Defaults(image="registry.example.org/w2s-trainer:1")
INSTANCE = "0123456789abcdef0123456789abcdef"

SPEC: dict[str, Any] = {
    "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
    "data": {"unlabeled": {"uri": "s3://legal/pool.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
    "storage": {"uri": "s3://legal/w2s"},
    "weak": {
        "labelers": [
            {
                "name": "small",
                "type": "Classifier",
                "classifier": {"model": {"uri": "hf://legal/small"}},
                "shards": 4,
            },
            {"name": "one", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/one"}}},
        ]
    },
    "strong": {"model": {"uri": "hf://org/strong"}, "tuning": {"type": "LoRA", "lora": {}}},
}


def spec(**changes: Any) -> Spec:
    """The manifest's spec with changes; dotted paths as `pods__default`."""
    plain = copy.deepcopy(SPEC)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = plain
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return Spec.model_validate(plain)


def job(name: str = "indemnity") -> Job:
    return Job(
        namespace="legal",
        name=name,
        uid="9b2f0e4c-7a54-4a5e-8d43-1f0d8c1c2b3a",
        resource_version="1",
        generation=1,
        created=1_800_000_000.0,
        spec=json.dumps(SPEC).encode(),
        status=Status(),
    )


def action(of: Spec, stage: str, run: int = 1) -> CreateRun:
    found = {one.name: one for one in pipeline(of)}[stage]
    return CreateRun(of, found, INSTANCE, run, {need: f"a-{need}" for need in found.needs})


def child(stage: str = "prepare", *, defaults: Defaults = DEFAULTS, **changes: Any) -> dict[str, Any]:
    """The Job of the first run of a stage."""
    return child_job(job(), action(spec(**changes), stage), defaults)


def pod(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["spec"]["template"]["spec"]
    return found


def container(made: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(made)["containers"]
    return dict(found)


def env(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in container(made)["env"]}


def volumes(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in pod(made)["volumes"]}


def mounts(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By path."""
    return {one["mountPath"]: one for one in container(made)["volumeMounts"]}
