"""A sound manifest, and edits of it."""

import copy
from collections.abc import Callable
from typing import Any

RULES = {
    "name": "rules",
    "type": "Functions",
    "functions": {
        "rules": [{"className": "free", "pattern": "gpl"}, {"className": "restricted", "keywords": ["fee"]}]
    },
}
SMALL = {"name": "small", "type": "Finetuned", "finetuned": {"model": {"uri": "py://some-encoder"}}}
OWN = {"name": "own", "type": "Classifier", "classifier": {"model": {"uri": "s3://legal/models/own/"}}}

SOUND: dict[str, Any] = {
    "apiVersion": "w2s.dev/v1alpha1",
    "kind": "WeakToStrongJob",
    "metadata": {"name": "licences"},
    "spec": {
        "task": {
            "classes": [{"name": "free"}, {"name": "restricted", "description": "Not free."}],
            "positiveClass": "restricted",
        },
        "data": {"unlabeled": {"uri": "s3://legal/pool/"}, "gold": {"uri": "s3://legal/gold.csv"}},
        "storage": {"uri": "s3://legal/w2s"},
        "weak": {"labelers": [RULES, SMALL, OWN]},
        "strong": {"model": {"uri": "hf://org/name"}},
    },
}


def manifest(*edits: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The sound manifest with its spec edited."""
    document = copy.deepcopy(SOUND)
    for edit in edits:
        edit(document["spec"])
    return document


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit: sets a dotted path; numbers are places in lists."""

    def edit(spec: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = spec
        for part in parents:
            place = place[part] if isinstance(place, list) else place.setdefault(part, {})
        if value is None and not isinstance(place, list):
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)

    return edit


PODS = {
    "default": {
        "image": "registry.example.com/w2s-trainer:1",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [{"name": "registry"}],
        "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": 2, "memory": "4Gi"}},
        "nodeSelector": {"pool": "cpu", "spot": ""},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "low",
        "serviceAccountName": "w2s",
        "env": [
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "HF_TOKEN", "secretKeyRef": {"name": "hub", "key": "token"}},
            {"name": "MIRROR", "configMapKeyRef": {"name": "hub", "key": "mirror"}},
        ],
        "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "all"}}],
        "volumes": [
            {
                "name": "models",
                "mountPath": "/models",
                "type": "PersistentVolumeClaim",
                "persistentVolumeClaim": {"name": "models"},
                "readOnly": True,
            },
            {"name": "word", "mountPath": "/word", "type": "Secret", "secret": {"name": "word"}},
        ],
        "cache": {"sizeLimit": "20Gi"},
        "labels": {"team": "legal"},
        "annotations": {"example.com/cost-centre": "1234"},
    },
    "train": {
        "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "64Gi"}},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "spot", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 30},
            {"operator": "Exists"},
        ],
        "runtimeClassName": "nvidia",
        "cache": {"claimName": "models"},
        "sharedMemory": "8Gi",
        "terminationGracePeriodSeconds": 120,
        "queueName": "gpus",
    },
}

FULL = manifest(
    put("task.instruction", "May it be used freely?"),
    put("data.test", {"uri": "s3://legal/test.csv"}),
    put("data.fields", {"text": "body", "group": "licence"}),
    put("data.nearDuplicates", {"shingleWords": 8}),
    put("data.goldBudget", 64),
    put("data.revision", "2"),
    put("storage.region", "eu-central-1"),
    put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://legal/old.csv"}]}),
    put(
        "weak.labelers.2.classifier.labels",
        [{"modelLabel": "A", "className": "free"}, {"modelLabel": "B", "className": "restricted"}],
    ),
    put(
        "aggregation",
        {"type": "WeightedAverage", "weightedAverage": {"weights": [{"labeler": "own", "weight": "2"}]}},
    ),
    put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}]),
    put("strong.tuning", {"type": "Head", "head": {"l2": "3"}}),
    put("strong.loss", {"type": "CrossEntropy", "crossEntropy": {"targets": "Hard"}}),
    put("evaluation", {"seeds": 2, "controls": ["GoldOnly", "Unfiltered"], "positiveThreshold": "0.4"}),
    put("promotion", {"metric": "AUROC", "mustBeat": ["Weak", "GoldOnly"], "minLowerBound": "0.01"}),
    put("report.examples", "Excerpts"),
    put("pods", PODS),
    put("execution", {"queueName": "gpus", "maxRetries": 4, "activeDeadlineSeconds": 86_400}),
    put("suspend", True),
    put("ttlSecondsAfterFinished", 0),
    put("managedBy", "example.com/controller"),
    put("storage.caBundleRef", {"name": "ca", "key": "ca.crt"}),
    put("storage.credentialsSecretRef", {"name": "store"}),
    put("evaluation.credentialsSecretRef", {"name": "store-of-the-test"}),
)
"""A manifest that says something about nearly everything."""

ASKED = {
    "name": "asked",
    "type": "Prompted",
    "prompted": {
        "model": {"uri": "py://some-causal"},
        "shots": 8,
        "orders": 3,
        "prior": "Gold",
        "maxTokens": 64,
    },
    "calibration": "Temperature",
}
LLM = {
    "name": "llm",
    "type": "Endpoint",
    "endpoint": {"url": "https://llm.example.org/v1", "model": "some-llm"},
}


def asked(**settings: Any) -> dict[str, Any]:
    """A labeler of type Prompted."""
    return {**ASKED, "prompted": {**ASKED["prompted"], **settings}}


def llm(**settings: Any) -> dict[str, Any]:
    """A labeler of type Endpoint."""
    return {**LLM, "endpoint": {**LLM["endpoint"], **settings}}


DEEP = manifest(
    put("task.instruction", "May it be used freely?"),
    put(
        "weak.labelers.1.finetuned",
        {
            "model": {"uri": "py://some-encoder"},
            "tuning": {"type": "LoRA", "lora": {"rank": 4}},
            "training": {"epochs": 5, "checkpointIntervalSeconds": 60},
        },
    ),
    lambda spec: spec["weak"]["labelers"].append(ASKED),
    put("selection.steps", [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}]),
    put("strong.tuning", {"type": "LoRA", "head": {"l2": "1"}, "lora": {"rank": 8, "targets": "Attention"}}),
    put("strong.loss", {"type": "LogConf", "logConf": {"maxWeight": "0.75"}}),
    put(
        "strong.training",
        {"epochs": 3, "stopping": {"type": "WeakValidation", "weakValidation": {"checks": 4}}},
    ),
    put("evaluation", {"seeds": 2, "ceiling": True}),
    put("promotion", {"publish": "Adapter"}),
)
"""A manifest that tunes more than heads."""

MINIMAL = manifest(
    put("task", {"classes": [{"name": "no"}, {"name": "yes"}]}),
    put(
        "weak.labelers",
        [{"name": "own", "type": "Classifier", "classifier": {"model": {"uri": "hf://org/own"}}}],
    ),
)
"""The least one can say."""
