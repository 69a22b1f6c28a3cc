"""What GitOps tools make of a job: Argo CD by its health check, Flux by kstatus."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from gitops_kit import HEALTH, argo_health, kstatus
from helm_kit import ROOT
from job_kit import SPEC
from operator_kit import Cluster, Words

CASES = yaml.safe_load((HEALTH / "health_test.yaml").read_text())["tests"]
CRD = yaml.safe_load((ROOT / "crds" / "weaktostrongjobs.w2s.dev.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]

Object = dict[str, Any]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["inputPath"].partition("/")[2])
def test_the_health_check_says_what_its_test_data_want(case):
    obj = yaml.safe_load((HEALTH / case["inputPath"]).read_text())
    assert argo_health(obj) == (case["healthStatus"]["status"], case["healthStatus"]["message"])


def test_all_test_data_are_used():
    there = {f"testdata/{path.name}" for path in (HEALTH / "testdata").iterdir()}
    assert {case["inputPath"] for case in CASES} == there


@pytest.mark.parametrize(
    "obj", [{}, {"metadata": {"generation": 1}}, {"metadata": {}, "status": {"conditions": []}}]
)
def test_an_object_without_a_status_is_not_healthy(obj):
    status, message = argo_health(obj)
    assert status == "Progressing"
    assert message


def fresh() -> Object:
    return live(Cluster(copy.deepcopy(SPEC)), SCHEMA["status"]["default"])


def live(cluster: Cluster, status: Object | None = None) -> Object:
    meta = {"generation": cluster.generation}
    return {"metadata": meta, "spec": cluster.spec, "status": status or cluster.status.to_json()}


def started() -> Cluster:
    cluster = Cluster(copy.deepcopy(SPEC)).settle()
    cluster.run("prepare").settle()
    return cluster


def failed() -> Cluster:
    words = Words("Failed", "BadData", "row 12: no such class")
    return started().end("prepare", 65, words=words).settle()


def edited_after_its_end() -> Object:
    cluster = Cluster(copy.deepcopy(SPEC)).complete()
    return live(cluster) | {"metadata": {"generation": cluster.generation + 1}}


@pytest.mark.parametrize(
    ("make", "argo", "flux"),
    [
        (fresh, "Progressing", "InProgress"),
        (lambda: live(started()), "Progressing", "InProgress"),
        (lambda: live(failed()), "Degraded", "Failed"),
        (lambda: live(failed().edit(data__revision="2")), "Progressing", "InProgress"),
        (lambda: live(started().edit(suspend=True)), "Progressing", "InProgress"),
        (lambda: live(started().edit(suspend=True).collect()), "Suspended", "Current"),
        (lambda: live(started().edit(suspend=True).collect().edit(suspend=False)), "Progressing", "InProgress"),
        (lambda: live(Cluster(copy.deepcopy(SPEC)).complete()), "Healthy", "Current"),
        (edited_after_its_end, "Progressing", "InProgress"),
    ],
    ids=["fresh", "at work", "failed", "mended", "stopping", "suspended", "resumed", "done", "edited"],
)  # fmt: skip
def test_what_the_operator_writes_is_understood(make: Callable[[], Object], argo, flux):
    obj = make()
    assert (argo_health(obj)[0], kstatus(obj)) == (argo, flux)


def test_items_of_lists_in_the_spec_have_no_defaults():
    """Tools that compare lists item by item would take each for a change that somebody made."""

    def defaults(schema: Any, path: str, in_list: bool) -> list[str]:
        if not isinstance(schema, dict):
            return []
        found = [path] if in_list and "default" in schema else []
        for name, one in (schema.get("properties") or {}).items():
            found += defaults(one, f"{path}.{name}", in_list)
        found += defaults(schema.get("items"), f"{path}[]", True)
        return found + defaults(schema.get("additionalProperties"), f"{path}.*", in_list)

    assert defaults(SCHEMA["spec"], "spec", False) == []
