"""The CRD as a document: structural, described, bounded, small, and as it is in the repository."""

import json
from pathlib import Path

import pytest
import yaml
from api_server_kit import parts, rules_broken, schema

from w2s_api.crd import COLUMNS, FRESH, crd
from w2s_api.reference import reference
from w2s_api.spec.base import Struct
from w2s_api.status import Status, condition
from w2s_cli.crd import as_yaml
from w2s_cli.kubernetes_yaml import Loader

ROOT = Path(__file__).parents[3]
SPEC = list(parts(schema()["properties"]["spec"], "spec"))
STATUS = list(parts(schema()["properties"]["status"], "status"))


def test_it_is_structural():
    for path, part in SPEC + STATUS:
        assert not {"$ref", "$defs", "anyOf", "allOf", "oneOf", "not", "title", "const"} & part.keys(), path
        assert not {"uniqueItems", "definitions", "nullable", "propertyNames"} & part.keys(), path
        assert not {"properties", "additionalProperties"} <= part.keys(), path
        assert isinstance(part.get("additionalProperties", {}), dict), path
        if part.get("x-kubernetes-int-or-string"):
            assert "type" not in part, path
        else:
            assert part["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert set(part.get("required", ())) <= set(part.get("properties", ())), path
    assert schema()["properties"]["metadata"] == {"type": "object"}
    assert crd()["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_every_field_is_described():
    for path, part in SPEC + STATUS:
        if path.endswith(("[]", ".*")) and part.get("type") != "object":
            continue
        assert part.get("description", "").endswith("."), path


def test_everything_has_bounds():
    for path, part in SPEC:
        match part.get("type", "string"):
            case "object":
                # Without fields, what is in it is pruned: nothing is kept that could be large.
                is_empty = part.keys() == {"type", "description"}
                assert is_empty or "properties" in part or "maxProperties" in part, path
            case "string":
                assert "maxLength" in part or "enum" in part, path
            case "array":
                assert "maxItems" in part, path
                assert part["x-kubernetes-list-type"] in {"map", "set", "atomic"}, path
            case "integer":
                assert {"minimum", "maximum"} <= part.keys(), path


def test_no_two_structs_have_one_name():
    """The schema of a struct is found by it: one would take the other's place without a word."""
    names: dict[str, str] = {}
    left = [Struct]
    while left:
        for struct in left.pop().__subclasses__():
            left.append(struct)
            if struct.__module__.startswith("w2s_api."):
                assert names.setdefault(struct.__name__, struct.__module__) == struct.__module__, struct


def test_the_status_has_bounds_and_no_default_but_itself():
    for path, part in STATUS:
        assert "default" not in part or path == "status", path
        match part["type"]:
            case "string":
                assert "maxLength" in part or "enum" in part, path
            case "array":
                assert "maxItems" in part, path


def test_a_job_that_no_operator_has_seen_does_not_look_finished():
    fresh = Status.model_validate(FRESH)
    states = {one.type: one.status for one in fresh.conditions}
    assert states == {"Complete": "Unknown", "Failed": "Unknown", "Reconciling": "True"}
    assert fresh.observed_generation == -1
    assert schema()["properties"]["status"]["default"] == FRESH


@pytest.mark.parametrize("column", COLUMNS, ids=[column["name"] for column in COLUMNS])
def test_columns_show_fields_that_there_are(column):
    _, where, field, *_ = column["jsonPath"].split(".")
    if where == "status":
        assert field.split("[")[0] in schema()["properties"]["status"]["properties"]


def test_a_status_of_another_version_is_read():
    status = Status.model_validate(
        {
            "observedGeneration": 3,
            "conditions": [{**FRESH["conditions"][0], "severity": "Low"}],
            "stages": [{"name": "train", "state": "Done", "run": 2, "mood": "good"}],
            "phase": "Over",
        }
    )
    assert (status.observed_generation, status.stages[0].run) == (3, 2)
    assert condition(status, "Complete")
    assert condition(status, "Promoted") is None
    assert Status.model_validate(status.to_json()) == status


def test_keys_of_list_maps_are_required_in_their_items():
    for path, part in SPEC:
        for key in part.get("x-kubernetes-list-map-keys", ()):
            assert key in part["items"]["required"], path


def test_lists_have_no_defaults_inside_but_say_them():
    for path, part in SPEC:
        if part.get("type") == "array":
            assert not [where for where, inner in parts(part["items"], path) if "default" in inner]
    described = {path: part["description"] for path, part in SPEC if "description" in part}
    assert described["spec.weak.labelers[].shards"].endswith("Default: 1.")
    assert described["spec.pods.*.volumes[].readOnly"].endswith("Default: false.")


def test_defaults_stand_on_their_own():
    """The API server judges each default by the rules before it fills in what the default lacks."""
    for path, part in SPEC:
        if "default" in part:
            assert list(rules_broken(part, part["default"])) == [], path


def test_rules_name_fields_that_there_are():
    for path, part in SPEC:
        for rule in part.get("x-kubernetes-validations", ()):
            place = part
            for name in filter(None, rule.get("fieldPath", "").split(".")):
                assert name in place["properties"], (path, rule["fieldPath"])
                place = place["properties"][name]


def test_it_is_small_enough_for_plain_apply():
    """`kubectl apply` keeps it as JSON in an annotation, and annotations may have 262,144 bytes together."""
    kept = json.dumps(yaml.safe_load(as_yaml()), separators=(",", ":"))
    assert len(kept.encode()) < 230_000


def test_the_generated_files_are_up_to_date():
    """`make generate` mends the first, `w2s crd --fields > docs/fields.md` the second."""
    assert (ROOT / "crds/weaktostrongjobs.w2s.dev.yaml").read_text() == as_yaml()
    assert (ROOT / "docs/fields.md").read_text() == reference()


def test_kubectl_reads_the_file_as_it_is_meant():
    """A bare `n` would be false."""
    assert yaml.load(as_yaml(), Loader=Loader) == crd()


def test_the_reference_names_every_field():
    page = reference()
    for path, part in SPEC:
        if "properties" in part:
            assert f"\n## {path}\n" in page
            assert all(f"\n| {name} |" in page or f"\n| **{name}** |" in page for name in part["properties"])
