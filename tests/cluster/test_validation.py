"""The CRD on a real API server: its verdicts are those of `w2s validate`, and it reads as documentation."""

import copy
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import w2s_cluster
import yaml
from contract_kit import SPEC, Api, Job, Object, install_crd, namespace_of, until
from kubernetes import client, config

from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "api"))

from manifests import FULL, manifest
from test_api_validation import VALUES, spots
from verdicts import BAD, BAD_NAMES, GOOD, GOOD_NAMES, TRANSITIONS

CRD = Path(__file__).parents[2] / "crds" / f"{PLURAL}.{GROUP}.yaml"
SCHEMA: Object = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def named(name: str, edit: Any) -> Object:
    return {**manifest(edit), "metadata": {"name": name}}


REFUSED = [(what, manifest(edit), path, says) for what, edit, path, says in BAD]
REFUSED += [(f"name {name}", named(name, edit), "metadata.name", says) for name, edit, says in BAD_NAMES]
ACCEPTED = [(what, manifest(edit)) for what, edit in GOOD]
ACCEPTED += [(f"name {name}", named(name, edit)) for name, edit in GOOD_NAMES]

SAYS_WHAT_TO_WRITE = [
    r"supported values: ",
    r"in body should match '",
    r"must be of type (string|integer|boolean|object|array|integer,string): ",
    r"in body should (have at least|be at least|be (less|greater) than or equal to) \d+",
    r"may not be more than \d+ bytes",
    r"must have at most \d+ items",
    r"^Required value$",
    r"^Duplicate value: ",
    r"a lowercase RFC 1123 subdomain must consist of ",
]
"""How Kubernetes itself words what a schema wants."""


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Api:
    install_crd()
    return Api(kwok_cluster)


@pytest.fixture(scope="module")
def namespace(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


@pytest.fixture(scope="module")
def server(kwok_cluster: Path, namespace: str) -> Iterator["Server"]:
    with config.new_client_from_config(str(kwok_cluster)) as connected:
        yield Server(client.CustomObjectsApi(connected), namespace)


class Server:
    """The API server's verdict: nothing is kept, unknown fields are refused."""

    def __init__(self, objects: client.CustomObjectsApi, namespace: str) -> None:
        self._objects, self._place = objects, (GROUP, VERSION, namespace, PLURAL)

    def refusals(self, document: Object) -> list[tuple[str, str]]:
        """(place, what it says) of each mistake; empty if it would be taken."""
        try:
            self._objects.create_namespaced_custom_object(
                *self._place, document, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as error:
            said = json.loads(error.body)
            assert said["code"] in (400, 422), said
            causes = said.get("details", {}).get("causes", ())
            found = [(_place(one), _words(one["message"])) for one in causes]
            strict = re.findall(r'unknown field "([^"]+)"', said["message"])
            return found or [(path, f'unknown field "{path}"') for path in strict]
        return []


def _place(cause: Object) -> str:
    """`spec.pods[train].labels` is `spec.pods.train.labels`."""
    place = cause.get("field", "").replace("<nil>", "")
    return re.sub(r"\[([a-z]+)\]", r".\1", place)


def _words(message: str) -> str:
    """Without what repeats the value."""
    return re.sub(r'^(Invalid|Unsupported) value: ("(\\.|[^"\\])*"|[-\w.]+): ', "", message)


def tells(path: str, place: str, words: str) -> bool:
    """Whether that names the place, or the list or struct that it is in, and says what to write instead."""
    near = path == place or path.startswith((f"{place}.", f"{place}[")) or not place
    rules = {rule["message"] for part in parts(SCHEMA) for rule in part.get("x-kubernetes-validations", ())}
    known = words in rules or words == f'unknown field "{path}"'
    return near and (known or any(re.search(one, words) for one in SAYS_WHAT_TO_WRITE))


def parts(part: Object) -> Iterator[Object]:
    yield part
    below = [*part.get("properties", {}).values()]
    below += [part[name] for name in ("items", "additionalProperties") if isinstance(part.get(name), dict)]
    for inner in below:
        yield from parts(inner)


def validate(document: Object, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `w2s validate` refuses it for; what it only doubts, the API server takes too."""
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(document))
    refused = main(["validate", str(file)]) != 0
    lines = capsys.readouterr().err.splitlines()
    refusals = "\n".join(line for line in lines if ": warning: " not in line)
    assert bool(refusals) == refused
    return refusals


# One table of manifests, run through both: there is none in it that only one of them can judge


@pytest.mark.parametrize(("what", "document", "path", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_bad_manifest_is_refused_by_both_with_what_to_write(
    server: Server, tmp_path, capsys, what, document, path, says
):
    ours = validate(document, tmp_path, capsys)
    assert f"{path}: " in ours
    assert says in ours
    theirs = server.refusals(document)
    assert any(tells(path, *one) for one in theirs), theirs


@pytest.mark.parametrize(("what", "document"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_a_good_manifest_is_accepted_by_both(server: Server, tmp_path, capsys, what, document):
    assert validate(document, tmp_path, capsys) == ""
    assert server.refusals(document) == []


@pytest.mark.parametrize("seed", range(10))
def test_manifests_that_nobody_thought_of_get_one_verdict(server: Server, tmp_path, capsys, seed):
    chance = random.Random(seed)
    refused = 0
    for _ in range(20):
        document = copy.deepcopy(FULL)
        *parents, last = chance.choice(list(spots(document["spec"])))
        place: Any = document["spec"]
        for part in parents:
            place = place[part]
        if chance.random() < 0.3:
            del place[last]
        else:
            place[last] = copy.deepcopy(chance.choice(VALUES))
        ours, theirs = validate(document, tmp_path, capsys), server.refusals(document)
        assert bool(ours) == bool(theirs), (document["spec"], ours, theirs)
        refused += bool(ours)
    assert 0 < refused < 20


def test_a_job_stays_with_its_controller(api: Api, namespace: str):
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
    for before, after, refused in TRANSITIONS:
        api("POST", path, manifest(before), fieldValidation="Strict")
        said = ""
        try:
            api("PATCH", f"{path}/licences", manifest(after), "application/apply-patch+yaml",
                fieldManager="user", force="true", dryRun="All")  # fmt: skip
            held = api("GET", f"{path}/licences")
            api("PUT", f"{path}/licences", held | {"spec": manifest(after)["spec"]}, dryRun="All")
        except client.ApiException as error:
            said = str(error.reason)
        assert ("delete the object and apply it again" in said) == refused, said
        api("DELETE", f"{path}/licences")


# The CRD itself


def test_the_crd_is_applied_by_plain_kubectl_and_applying_it_again_changes_nothing(api: Api):
    """Client-side apply keeps the whole of it in an annotation, which may have 256 KiB."""
    text = re.sub(rf"\b{re.escape(GROUP)}\b", "plain.w2s.dev", CRD.read_text())
    name = f"{PLURAL}.plain.w2s.dev"  # in a group of its own: the tests beside this one use the other
    at = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    try:
        said = w2s_cluster.kubectl("apply", "-f", "-", mode="kwok", stdin=text)
        assert said.strip() == f"customresourcedefinition.apiextensions.k8s.io/{name} created"
        until("it to be established", lambda: _established(api("GET", at)))
        made = api("GET", at)
        assert (
            len(made["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]) < 230_000
        )
        assert "NonStructuralSchema" not in {one["type"] for one in made["status"]["conditions"]}
        again = w2s_cluster.kubectl("apply", "-f", "-", mode="kwok", stdin=text)
        assert again.strip() == f"customresourcedefinition.apiextensions.k8s.io/{name} unchanged"
        assert api("GET", at) == made
    finally:
        w2s_cluster.kubectl("delete", "crd", name, "--ignore-not-found", mode="kwok")


def _established(crd: Object) -> bool:
    found = (crd.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in found)


@pytest.fixture(scope="module")
def explain(api: Api) -> Any:
    """`kubectl explain`, once the API server tells of the kind."""

    def explained(place: str, *more: str) -> str:
        try:
            return w2s_cluster.kubectl("explain", place, *more, mode="kwok")
        except w2s_cluster.ClusterFault:
            return ""

    until("the schema to be told of", lambda: "FIELDS" in explained("w2s"))
    return explained


def test_kubectl_explain_reads_as_documentation(explain: Any):
    """Under the short name, as the docs say it."""
    steps = explain("w2s.spec.selection.steps")
    assert "FIELD: steps <[]Object>" in steps
    told = SCHEMA["properties"]["spec"]["properties"]["selection"]["properties"]["steps"]
    assert told["description"].split("\n")[0][:60] in re.sub(r"\s+", " ", steps)
    assert re.search(r"type\s+<string> -required-\s+enum: Confidence, ConfidentLearning, \S+", steps), steps


def test_every_field_that_kubectl_explains_has_a_description(api: Api):
    """What the API server tells of the kind, which is what `kubectl explain` prints."""
    told = api("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")["components"]["schemas"]
    kind = told[f"{'.'.join(reversed(GROUP.split('.')))}.{VERSION}.WeakToStrongJob"]
    bare, described = [], 0

    def walk(part: Object, path: str) -> None:
        nonlocal described
        for name, inner in part.get("properties", {}).items():
            if path or name != "metadata":  # that is Kubernetes' own
                described += 1
                if not inner.get("description", "").strip().endswith("."):
                    bare.append(f"{path}.{name}")
                walk(inner, f"{path}.{name}")
        for name in ("items", "additionalProperties"):
            if isinstance(part.get(name), dict):
                walk(part[name], path)

    walk(kind, "")
    assert [path for path in bare if path not in (".apiVersion", ".kind")] == []
    assert described > 200


def test_the_recursive_explanation_has_every_field(explain: Any):
    told = explain("w2s", "--recursive")
    names = {name for part in parts(SCHEMA) for name in part.get("properties", {})}
    assert {name for name in names if not re.search(rf"^\s+{name}\t<", told, re.MULTILINE)} == set()


def test_kubectl_get_has_the_columns_and_the_short_name(api: Api, namespace: str):
    job = Job(api, namespace, "columns", SPEC).apply()
    narrow = w2s_cluster.kubectl("get", "w2s", "-n", namespace, mode="kwok").splitlines()
    assert narrow[0].split() == ["NAME", "STAGE", "PROGRESS", "GAIN", "COMPLETE", "REASON", "AGE"]
    assert narrow[1].split()[:3] == ["columns", "Unknown", "Pending"]
    kinds = w2s_cluster.kubectl("api-resources", f"--api-group={GROUP}", "--no-headers", mode="kwok")
    assert kinds.split()[:3] == [PLURAL, "w2s", f"{GROUP}/{VERSION}"]
    job.delete()
