"""A value for every field of the pod settings, with what it makes of the Job."""

from typing import Any

AFFINITY = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}

EVERYTHING: dict[str, Any] = {
    "image": "registry.example.org/ours:2",
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "resources": {"limits": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}, "requests": {"cpu": "2"}},
    "nodeSelector": {"gpu": "a100"},
    "affinity": AFFINITY,
    "tolerations": [
        {
            "key": "gpu",
            "operator": "Equal",
            "value": "yes",
            "effect": "NoExecute",
            "tolerationSeconds": 30,
        }
    ],
    "priorityClassName": "low",
    "runtimeClassName": "nvidia",
    "serviceAccountName": "w2s-writer",
    "env": [
        {"name": "PLAIN", "value": "$(HOME)/x"},
        {"name": "HF_TOKEN", "secretKeyRef": {"name": "hub", "key": "token"}},
        {"name": "HF_ENDPOINT", "configMapKeyRef": {"name": "proxy", "key": "hub"}},
    ],
    "envFrom": [{"secretRef": {"name": "more"}}, {"configMapRef": {"name": "proxy"}}],
    "volumes": [
        {
            "name": "models",
            "mountPath": "/models",
            "readOnly": True,
            "type": "PersistentVolumeClaim",
            "persistentVolumeClaim": {"name": "models"},
        },
        {"name": "keys", "mountPath": "/keys", "type": "Secret", "secret": {"name": "keys"}},
        {"name": "files", "mountPath": "/files", "type": "ConfigMap", "configMap": {"name": "files"}},
    ],
    "cache": {"claimName": "cache"},
    "sharedMemory": "8Gi",
    "terminationGracePeriodSeconds": 300,
    "labels": {"team": "legal"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "queueName": "gpus",
}
