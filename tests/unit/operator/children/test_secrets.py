"""The API key of a labeler: a variable from a Secret, for the pods of that labeler and no others."""

from typing import Any

import pytest
from children_kit import DEFAULTS, SPEC, child, env, spec

from w2s_api.names import STAGE_KINDS
from w2s_operator.children.settings import settings_hash

VARIABLE = "W2S_ENDPOINT_API_KEY"


def labelers(**settings: Any) -> list[dict[str, Any]]:
    endpoint = {"url": "https://llm.example.org/v1", "model": "m", **settings}
    return [*SPEC["weak"]["labelers"], {"name": "llm", "type": "Endpoint", "endpoint": endpoint}]


WITH_KEY = {"weak__labelers": labelers(apiKeySecretRef={"name": "keys", "key": "token"})}


def test_the_pods_of_the_labeler_get_its_key_by_reference() -> None:
    variable = env(child("label-llm", **WITH_KEY))[VARIABLE]
    assert variable == {
        "name": VARIABLE,
        "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}},
    }


@pytest.mark.parametrize(
    "stage",
    ["prepare", "label-small", "label-one", "aggregate", "select", "train-strong-0", "evaluate", "promote"],
)
def test_no_other_pod_gets_it(stage: str) -> None:
    assert VARIABLE not in env(child(stage, **WITH_KEY))


def test_without_a_secret_there_is_no_variable_and_the_users_own_comes_first() -> None:
    assert VARIABLE not in env(child("label-llm", weak__labelers=labelers()))
    own = {"name": VARIABLE, "value": "x"}
    made = child("label-llm", **WITH_KEY, pods__label={"env": [own]})
    assert env(made)[VARIABLE] == own


def test_a_waiting_run_is_made_anew_when_the_reference_changes() -> None:
    other = {"weak__labelers": labelers(apiKeySecretRef={"name": "keys", "key": "other"})}
    changed = {
        kind
        for kind in STAGE_KINDS
        if settings_hash(spec(**WITH_KEY), kind, DEFAULTS) != settings_hash(spec(**other), kind, DEFAULTS)
    }
    assert changed == {"label"}
    without = {"weak__labelers": labelers()}
    assert settings_hash(spec(**without), "label", DEFAULTS) == settings_hash(spec(), "label", DEFAULTS)
