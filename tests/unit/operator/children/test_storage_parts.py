"""How pods reach the storage: the same for every stage, but for the right to read the test's labels."""

from typing import Any

import pytest
from children_kit import DEFAULTS, child, container, env, mounts, spec, volumes

from w2s_operator.children.settings import settings_hash

STAGES = ["prepare", "label-small", "aggregate", "select", "train-strong-0", "combine", "evaluate", "promote"]
SECRET = {"storage__credentialsSecretRef": {"name": "keys"}}
CERTIFICATES = {"storage__caBundleRef": {"name": "trust", "key": "ca.pem"}}


def secret_of(made: dict[str, Any]) -> str | None:
    found = volumes(made).get("credentials")
    return found["secret"]["secretName"] if found else None


@pytest.mark.parametrize("stage", STAGES)
def test_a_secret_is_mounted_as_files_that_are_renewed(stage: str) -> None:
    made = child(stage, **SECRET)
    mount = mounts(made)["/w2s/credentials"]
    assert secret_of(made) == "keys"
    assert mount["readOnly"]
    assert "subPath" not in mount
    args = container(made)["args"]
    assert args[args.index("--credentials-dir") + 1] == "/w2s/credentials"


def test_a_missing_secret_is_named_by_the_kubelet_and_waited_for() -> None:
    made = child(**SECRET)
    reference = env(made)["W2S_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "keys", "key": "AWS_ACCESS_KEY_ID"}
    assert volumes(made)["credentials"]["secret"]["optional"] is True


def test_no_secret_key_is_ever_a_variable() -> None:
    text = str(container(child(**SECRET))["env"])
    assert "SECRET_ACCESS_KEY" not in text
    assert "SESSION_TOKEN" not in text


@pytest.mark.parametrize("stage", STAGES)
def test_the_secret_of_evaluation_is_for_evaluate_alone(stage: str) -> None:
    made = child(stage, **SECRET, evaluation__credentialsSecretRef={"name": "test-reader"})
    assert secret_of(made) == ("test-reader" if stage == "evaluate" else "keys")


def test_without_a_secret_the_sdk_finds_the_identity_of_the_service_account() -> None:
    made = child(pods__default={"serviceAccountName": "w2s-writer"})
    assert secret_of(made) is None
    assert "--credentials-dir" not in container(made)["args"]
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "w2s-writer"


@pytest.mark.parametrize("stage", STAGES)
def test_certificates_come_from_a_config_map(stage: str) -> None:
    made = child(stage, **CERTIFICATES)
    source = volumes(made)["certificates"]["configMap"]
    assert source == {"name": "trust", "items": [{"key": "ca.pem", "path": "ca.crt"}], "optional": True}
    assert env(made)["W2S_CA_BUNDLE"]["value"] == "/w2s/ca/ca.crt"
    assert mounts(made)["/w2s/ca"] == {"name": "certificates", "mountPath": "/w2s/ca", "readOnly": True}


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (SECRET, {"prepare", "label", "train", "evaluate"}),
        (CERTIFICATES, {"prepare", "label", "train", "evaluate"}),
        ({"storage__caBundle": "-----BEGIN"}, {"prepare", "label", "train", "evaluate"}),
        ({"storage__endpoint": "https://s3.example.org"}, {"prepare", "label", "train", "evaluate"}),
        ({"storage__region": "eu-west-1"}, {"prepare", "label", "train", "evaluate"}),
        ({"evaluation__credentialsSecretRef": {"name": "test-reader"}}, {"evaluate"}),
        ({"execution__queueName": "all"}, {"prepare", "label", "train", "evaluate"}),
        ({"execution__maxRetries": 7, "execution__activeDeadlineSeconds": 5}, set()),
        ({"promotion__minLowerBound": "0.1"}, set()),
        ({"strong__maxTokens": 64}, set()),
    ],
)
def test_settings_that_a_waiting_run_was_not_made_with(change: dict[str, Any], kinds: set[str]) -> None:
    found = {
        kind
        for kind in ("prepare", "label", "train", "evaluate")
        if settings_hash(spec(**change), kind, DEFAULTS) != settings_hash(spec(), kind, DEFAULTS)  # type: ignore[arg-type]
    }
    assert found == kinds
