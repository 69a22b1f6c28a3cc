"""Every pod meets Pod Security "restricted", whatever the manifest says; and the checker of it can fail."""

import copy
from typing import Any

import pytest
from children_kit import DEFAULTS, child, spec
from pod_settings_kit import EVERYTHING
from restricted_kit import violations

from w2s_api.names import STAGE_KINDS
from w2s_operator.children.settings import Defaults, settings_hash

ADAPTED = {"strong__adaptation": {"steps": [{"type": "Pretrain", "pretrain": {}}]}}
RETAINED = {"evaluation__retention": {"texts": {"uri": "s3://general/texts.jsonl"}}}
FINISHED = {"strong__finish": {"steps": [{"type": "Interpolate"}]}}
ASKS = {
    "task": {"type": "Generation", "instruction": "Answer.", "generation": {}},
    "synthesis": {"steps": [{"type": "ReadingComprehension", "readingComprehension": {}}]},
    "weak": {"labelers": [{"name": "pairs", "type": "Imported", "imported": {"field": "answer"}}]},
    "promotion": {"metric": "ExactMatch"},
}
RETRIEVES = {
    **ASKS,
    "task": {
        "type": "Generation",
        "instruction": "Answer.",
        "generation": {"prompt": "{passages} {text}", "passages": {"oracle": "context"}},
    },
}
STAGES: dict[str, dict[str, Any]] = {
    "prepare": {},
    "synthesise": ASKS,
    "retrieve": RETRIEVES,
    "label-small": {},
    "aggregate": {},
    "select": {},
    "adapt-1-pretrain": ADAPTED,
    "train-strong-0": {},
    "finish-1-interpolate-0": FINISHED,
    "combine": {},
    "retention": RETAINED,
    "evaluate": {},
    "promote": {},
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "defaults", [DEFAULTS, Defaults(image="i", user=None)], ids=["own user", "namespace's"]
)
def test_every_pod_meets_restricted(stage: str, defaults: Defaults) -> None:
    job = STAGES[stage]
    changes: dict[str, Any] = {
        **job,
        "pods__default": EVERYTHING,
        "storage__credentialsSecretRef": {"name": "keys"},
        "storage__caBundleRef": {"name": "ca", "key": "ca.pem"},
    }
    assert {one.partition("-")[0] for one in STAGES} == set(STAGE_KINDS)
    for made in (child(stage, defaults=defaults, **job), child(stage, defaults=defaults, **changes)):
        template = made["spec"]["template"]
        assert violations(template) == []
        assert template["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert template["spec"]["automountServiceAccountToken"] is False


def test_pods_pull_with_the_operators_secrets_where_the_manifest_names_none() -> None:
    defaults = Defaults(image="i", image_pull_secrets=("one", "two"))

    def secrets(**pods: Any) -> Any:
        return child(defaults=defaults, pods=pods)["spec"]["template"]["spec"].get("imagePullSecrets")

    both = [{"name": "one"}, {"name": "two"}]
    assert secrets() == secrets(default={"image": "mine"}) == both
    assert secrets(default={"imagePullSecrets": [{"name": "mine"}]}) == [{"name": "mine"}]
    assert not secrets(prepare={"imagePullSecrets": []})


def test_secrets_of_the_operator_are_in_the_hash_of_those_who_use_them() -> None:
    own = spec(pods__default={"imagePullSecrets": [{"name": "mine"}]})
    none = spec(pods__default={"imagePullSecrets": []})
    secrets = Defaults(image="i", image_pull_secrets=("one",))
    for of, same in ((spec(), False), (own, True), (none, True)):
        hashes = {settings_hash(of, "train", defaults) for defaults in (Defaults(image="i"), secrets)}
        assert (len(hashes) == 1) is same


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
