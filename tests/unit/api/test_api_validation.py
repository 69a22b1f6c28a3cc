"""One table of bad manifests, run through `w2s validate` and through the CRD as the API server reads it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import celpy
import jsonschema
import pytest
import yaml
from manifests import OWN, RULES, manifest, put

from w2s_api.crd import crd
from w2s_api.validation import validate
from w2s_cli.manifest import read_manifests

STEP = {"type": "Confidence", "confidence": {"keepFractionPerClass": "0.7"}}

BAD = [
    ("unknown field", put("strong.maxtokens", 3), "spec.strong.maxtokens", "did you mean `maxTokens`"),
    ("unknown struct", put("foo", {}), "spec.foo", "unknown field"),
    ("bad enum", put("promotion.metric", "F1"), "spec.promotion.metric", "allowed: MacroF1, Accuracy, AUROC"),
    ("bad enum, near", put("evaluation.controls", ["Direkt"]), "spec.evaluation.controls[0]", "did you mean `Direct`"),
    ("wrong case", put("weak.labelers.0.type", "functions"), "spec.weak.labelers[0].type", "did you mean `Functions`"),
    ("required", put("strong.model", None), "spec.strong.model", "required"),
    ("float", put("data.testFraction", 0.7), "spec.data.testFraction", 'write "0.7" in quotes'),
    ("above one", put("data.testFraction", "1.5"), "spec.data.testFraction", "from 0 to 1"),
    ("negative", put("strong.tuning", {"type": "Head", "head": {"l2": "-1"}}), "spec.strong.tuning.head.l2", "number"),
    ("string for a number", put("evaluation.seeds", "3"), "spec.evaluation.seeds", "whole number"),
    ("too many seeds", put("evaluation.seeds", 21), "spec.evaluation.seeds", "above 20"),
    ("no seed", put("evaluation.seeds", 0), "spec.evaluation.seeds", "below 1"),
    ("string for a bool", put("evaluation.ceiling", "yes"), "spec.evaluation.ceiling", "true or false"),
    ("list for fields", put("strong.model", []), "spec.strong.model", "in place of fields"),
    ("one class", put("task.classes", [{"name": "free"}]), "spec.task.classes", "at least 2"),
    ("no labeler", put("weak.labelers", []), "spec.weak.labelers", "at least 1"),
    ("bucket name", put("storage.uri", "s3://x/y"), "spec.storage.uri", "3 to 63"),
    ("not a model", put("strong.model.uri", "gpt2-large"), "spec.strong.model.uri", "begins with hf://"),
    ("not data", put("data.gold.uri", "http://legal/gold"), "spec.data.gold.uri", "begins with s3://"),
    ("endpoint", put("storage.endpoint", "minio:9000"), "spec.storage.endpoint", "http://"),
    ("labeler name", put("weak.labelers.0.name", "My_Rules"), "spec.weak.labelers[0].name", "lower-case"),
    ("positive class", put("task.positiveClass", "unfree"), "spec.task.positiveClass", "allowed: free, restricted"),
    ("same object", put("data.gold.uri", "s3://legal/heap/"), "spec.data.gold.uri", "the same object"),
    ("test is gold", put("data.test", {"uri": "s3://legal/gold.csv"}), "spec.data.test.uri", "object of its own"),
    ("wrong member", put("weak.labelers.0", {**RULES, "type": "Classifier"}), "spec.weak.labelers[0].classifier", "when `type` is Classifier"),
    ("two members", put("weak.labelers.0", {**RULES, "classifier": OWN["classifier"]}), "spec.weak.labelers[0].classifier", "only then"),
    ("pattern and keywords", put("weak.labelers.0.functions.rules.0.keywords", ["a"]), "spec.weak.labelers[0].functions.rules[0].pattern", "either"),
    ("rule of no class", put("weak.labelers.0.functions.rules.0.className", "fre"), "spec.weak.labelers[0].functions.rules[0].className", "did you mean `free`"),
    ("label of no class", put("weak.labelers.2.classifier.labels", [{"modelLabel": "A", "className": "x"}]), "spec.weak.labelers[2].classifier.labels[0].className", "does not have"),
    ("trained on nothing", put("weak.labelers.2.classifier.trainedOn", {"type": "Data"}), "spec.weak.labelers[2].classifier.trainedOn.data", "when `type` is Data"),
    ("weight of nobody", put("aggregation.weightedAverage", {"weights": [{"labeler": "x", "weight": "1"}]}), "spec.aggregation.weightedAverage.weights[0].labeler", "allowed: rules, small, own"),
    ("step without settings", put("selection.steps", [{"type": "Confidence"}]), "spec.selection.steps[0].confidence", "when `type` is Confidence"),
    ("nothing kept", put("selection.steps", [{**STEP, "confidence": {"keepFractionPerClass": "0"}}]), "spec.selection.steps[0].confidence.keepFractionPerClass", "above 0"),
    ("no regularisation", put("strong.tuning", {"type": "Head", "head": {"l2": "0"}}), "spec.strong.tuning.head.l2", "above 0"),
    ("threshold", put("evaluation.positiveThreshold", "1"), "spec.evaluation.positiveThreshold", "between 0 and 1"),
    ("arm not computed", lambda spec: spec.update(evaluation={"controls": []}, promotion={"over": ["Direct"]}), "spec.promotion.over[0]", "not computed"),
    ("unfiltered is strong", put("promotion.over", ["Unfiltered"]), "spec.promotion.over", "without `selection.steps`"),
    ("AUROC of what", lambda spec: (spec["task"].pop("positiveClass"), spec.update(promotion={"metric": "AUROC"})), "spec.promotion.metric", "positiveClass"),
    ("class twice", put("task.classes.1.name", "free"), "spec.task.classes[1]", "given twice"),
    ("labeler twice", put("weak.labelers.1.name", "rules"), "spec.weak.labelers[1]", "given twice"),
    ("control twice", put("evaluation.controls", ["Direct", "Direct"]), "spec.evaluation.controls[1]", "given twice"),
]  # fmt: skip

GOOD = [
    ("as it is", lambda spec: None),
    ("selection", put("selection.steps", [STEP])),
    ("unfiltered over a selection", lambda spec: spec.update(selection={"steps": [STEP]}, promotion={"over": ["Unfiltered"]})),
    ("AUROC", put("promotion.metric", "AUROC")),
    ("a test", put("data.test", {"uri": "s3://legal/test.csv"})),
    ("trained on data", put("weak.labelers.2.classifier.trainedOn", {"type": "Data", "data": [{"uri": "s3://a/b"}]})),
    ("weights", put("aggregation.weightedAverage", {"weights": [{"labeler": "own", "weight": "0.5"}]})),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "path", "says"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_manifest_is_refused_with_its_place(what, edit, path, says):
    job, problems = validate(manifest(edit))
    assert job is None
    said = [str(problem) for problem in problems]
    assert any(line.startswith(f"{path}: ") and says in line for line in said), said
    assert not any("pydantic" in line for line in said)


@pytest.mark.parametrize(("what", "edit"), GOOD, ids=[row[0] for row in GOOD])
def test_a_good_manifest_is_accepted_by_both(what, edit):
    assert validate(manifest(edit))[1] == []
    assert server_refuses(manifest(edit)) == []


@pytest.mark.parametrize(("what", "edit", "path", "says"), BAD, ids=[row[0] for row in BAD])
def test_the_api_server_refuses_it_too(what, edit, path, says):
    assert server_refuses(manifest(edit))


def test_every_mistake_is_reported_at_once():
    edits = [put("strong.maxtokens", 3), put("data.testFraction", 0.7), put("promotion.metric", "F1")]
    assert len(validate(manifest(*edits))[1]) == 3


# What the API server does with the CRD: the schema, list keys, unknown fields (Strict), then the CEL rules.


def schema() -> dict[str, Any]:
    return crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def server_refuses(document: dict[str, Any]) -> list[str]:
    whole = schema()
    found = [error.message for error in jsonschema.Draft202012Validator(strict(whole)).iter_errors(document)]
    found += repeated(whole, document)
    if found:
        return found
    full = with_defaults(whole, document)
    return list(rules_broken(whole, full))


def strict(part: dict[str, Any]) -> dict[str, Any]:
    part = dict(part)
    if "properties" in part:
        part["properties"] = {name: strict(inner) for name, inner in part["properties"].items()}
        part["additionalProperties"] = False
    if "items" in part:
        part["items"] = strict(part["items"])
    return part


def with_defaults(part: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict) and "properties" in part:
        full = dict(value)
        for name, inner in part["properties"].items():
            if name not in full and "default" in inner:
                full[name] = inner["default"]
            if name in full:
                full[name] = with_defaults(inner, full[name])
        return full
    if isinstance(value, list) and "items" in part:
        return [with_defaults(part["items"], item) for item in value]
    return value


def repeated(part: dict[str, Any], value: Any) -> list[str]:
    found = []
    if isinstance(value, list):
        names = part.get("x-kubernetes-list-map-keys")
        marks = [tuple(item.get(name) for name in names) for item in value] if names else value
        if (names or part.get("x-kubernetes-list-type") == "set") and len({str(m) for m in marks}) < len(
            marks
        ):
            found.append("duplicate")
        for item in value:
            found += repeated(part.get("items", {}), item)
    if isinstance(value, dict):
        for name, inner in part.get("properties", {}).items():
            found += repeated(inner, value.get(name))
    return found


def rules_broken(part: dict[str, Any], value: Any):
    for rule in part.get("x-kubernetes-validations", []):
        environment = celpy.Environment()
        program = environment.program(environment.compile(rule["rule"]))
        if not program.evaluate({"self": celpy.json_to_cel(value)}):
            yield rule["message"]
    if isinstance(value, dict):
        for name, inner in part.get("properties", {}).items():
            if name in value:
                yield from rules_broken(inner, value[name])
    if isinstance(value, list):
        for item in value:
            yield from rules_broken(part.get("items", {}), item)


# The CRD as a document.


def parts(part: dict[str, Any], path: str = ""):
    yield path, part
    for name, inner in part.get("properties", {}).items():
        yield from parts(inner, f"{path}.{name}")
    if "items" in part:
        yield from parts(part["items"], f"{path}[]")


def test_the_schema_is_structural_described_and_bounded():
    for path, part in parts(schema()["properties"]["spec"], "spec"):
        assert not {"$ref", "anyOf", "allOf", "oneOf", "title", "const", "$defs"} & part.keys(), path
        assert part["type"] in {"object", "array", "string", "integer", "boolean"}, path
        if not path.endswith("[]"):
            assert part.get("description"), path
        if part["type"] == "string":
            assert "maxLength" in part or "enum" in part, path
        if part["type"] == "array":
            assert "maxItems" in part, path
            assert not any("default" in inner for _, inner in parts(part["items"])), path
        if part["type"] == "integer":
            assert {"minimum", "maximum"} <= part.keys(), path


def test_the_definition_is_small_enough_for_plain_apply():
    assert len(yaml.safe_dump(crd())) < 200_000


def test_the_generated_file_is_up_to_date():
    file = Path(__file__).parents[3] / "crds/weaktostrongjobs.w2s.dev.yaml"
    assert yaml.safe_load(file.read_text()) == crd()


# The command.


def test_lines_are_those_of_the_mistakes(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(
        textwrap.dedent(
            """\
            apiVersion: w2s.dev/v1alpha1
            kind: WeakToStrongJob
            metadata: {name: x}
            spec:
              strong:
                model:
                  uri: nowhere
            """
        )
    )
    (checked,) = read_manifests(file)
    assert any(line.startswith(f"{file}:7: spec.strong.model.uri: ") for line in checked.complaints)
    assert any(line.startswith(f"{file}:4: spec.task: required") for line in checked.complaints)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "1:"),
        ("a: b: c", "1:5"),
        ("", "holds no manifest"),
        ("- 1", "not a mapping"),
        ("\t", "not YAML"),
    ],
)
def test_what_is_not_a_manifest_gets_one_line(tmp_path, text, says):
    file = tmp_path / "job.yaml"
    file.write_text(text)
    (checked,) = read_manifests(file)
    assert len(checked.complaints) == 1
    assert says in checked.complaints[0]


def test_it_needs_no_torch_and_half_a_second(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(json.dumps(manifest()))
    program = (
        "import sys, time; began = time.perf_counter()\n"
        "for name in ('torch', 'transformers', 'boto3', 'numpy', 'kopf', 'kubernetes'): sys.modules[name] = None\n"
        "from w2s_cli.main import main\n"
        f"code = main(['validate', {str(file)!r}])\n"
        "print(time.perf_counter() - began, file=sys.stderr); sys.exit(code)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    assert "valid" in runs[0].stdout
    assert min(float(run.stderr) for run in runs) < 0.5
