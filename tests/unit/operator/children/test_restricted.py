"""Every pod meets Pod Security "restricted", whatever the manifest says; and the checker of it can fail."""

import copy
from typing import Any

import pytest
from children_kit import DEFAULTS, child
from pod_settings_kit import EVERYTHING
from restricted_kit import violations

from w2s_api.names import STAGE_KINDS
from w2s_operator.children.settings import Defaults

STAGES = ["prepare", "label-small", "aggregate", "select", "train-strong-0", "evaluate", "promote"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "defaults", [DEFAULTS, Defaults(image="i", user=None)], ids=["own user", "namespace's"]
)
def test_every_pod_meets_restricted(stage: str, defaults: Defaults) -> None:
    changes: dict[str, Any] = {
        "pods__default": EVERYTHING,
        "storage__credentialsSecretRef": {"name": "keys"},
        "storage__caBundleRef": {"name": "ca", "key": "ca.pem"},
    }
    assert {one.partition("-")[0] for one in STAGES} == set(STAGE_KINDS)
    for made in (child(stage, defaults=defaults), child(stage, defaults=defaults, **changes)):
        template = made["spec"]["template"]
        assert violations(template) == []
        assert template["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert template["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("hostNetwork", True, "hostNetwork"),
        ("hostPID", True, "hostPID"),
        ("volumes", [{"name": "x", "hostPath": {"path": "/"}}], "volume ['hostPath']"),
        ("securityContext.runAsUser", 0, "runAsUser 0"),
        ("securityContext.runAsNonRoot", False, "runAsNonRoot"),
        ("securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
        ("securityContext.sysctls", [{"name": "kernel.msgmax"}], "sysctl kernel.msgmax"),
        ("securityContext.seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
        ("securityContext.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
        ("securityContext.windowsOptions", {"hostProcess": True}, "hostProcess"),
        ("containers.0.securityContext.privileged", True, "privileged"),
        ("containers.0.securityContext.allowPrivilegeEscalation", None, "allowPrivilegeEscalation"),
        ("containers.0.securityContext.capabilities", {}, "capabilities not dropped"),
        (
            "containers.0.securityContext.capabilities",
            {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
            "capabilities added",
        ),
        ("containers.0.securityContext.procMount", "Unmasked", "procMount"),
        ("containers.0.ports", [{"containerPort": 1, "hostPort": 1}], "hostPort"),
        ("containers.0.livenessProbe", {"httpGet": {"host": "node"}}, "host of a probe"),
    ],
)
def test_the_checker_finds_what_breaks_it(path: str, value: Any, said: str) -> None:
    template = copy.deepcopy(child()["spec"]["template"])
    *parents, last = path.split(".")
    place: Any = template["spec"]
    for name in parents:
        place = place[int(name) if name.isdecimal() else name]
    place[last] = value
    assert said in violations(template)
