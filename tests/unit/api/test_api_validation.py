"""One table of manifests, run through `w2s validate` and through the CRD as the API server reads it."""

import copy
import random
from typing import Any

import pytest
from api_server_kit import server_refuses
from manifests import ASKED, DEEP, FULL, OWN, RULES, SMALL, manifest, put

from w2s_api.validation import validate

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
    ("number for a string", put("data.revision", 2024), "spec.data.revision", 'write "2024" in quotes'),
    ("yes as a class", put("task.classes.0.name", True), "spec.task.classes[0].name", "YAML reads yes"),
    ("nothing for what is required", lambda spec: spec["strong"].update(model=None), "spec.strong.model", "required"),
    ("null under an unknown name", lambda spec: spec["strong"].update(nothing=None), "spec.strong.nothing", "unknown field"),
    ("trained on, of no type", put("weak.labelers.2.classifier.trainedOn", {}), "spec.weak.labelers[2].classifier.trainedOn.type", "required"),
    ("text of nothing", put("data.fields", {"text": ""}), "spec.data.fields.text", "at least 1 character"),
    ("long instruction", put("task.instruction", "x" * 2001), "spec.task.instruction", "at most 2,000 characters"),
    ("nine labelers", lambda spec: spec["weak"].update(labelers=[{**RULES, "name": f"r{n}"} for n in range(9)]), "spec.weak.labelers", "at most 8 items"),
    ("class twice", put("task.classes.1.name", "free"), "spec.task.classes[1]", "given twice"),
    ("labeler twice", put("weak.labelers.1.name", "rules"), "spec.weak.labelers[1]", "given twice"),
    ("LoRA settings of a head", put("strong.tuning", {"type": "Head", "lora": {"rank": 8}}), "spec.strong.tuning.lora", "only when `type` is LoRA"),
    ("full settings of LoRA", put("strong.tuning", {"type": "LoRA", "full": {}}), "spec.strong.tuning.full", "only when `type` is Full"),
    ("no rank", put("strong.tuning", {"type": "LoRA", "lora": {"rank": 0}}), "spec.strong.tuning.lora.rank", "below 1"),
    ("no learning rate", put("strong.tuning", {"type": "Full", "full": {"learningRate": "0"}}), "spec.strong.tuning.full.learningRate", "above 0"),
    ("learning rate as people write it", put("strong.tuning", {"type": "LoRA", "lora": {"learningRate": "3e-4"}}), "spec.strong.tuning.lora.learningRate", "number"),
    ("a schedule for a head", put("strong.training", {"epochs": 3}), "spec.strong.training", "without a schedule"),
    ("LogConf of a head", put("strong.loss", {"type": "LogConf"}), "spec.strong.loss", "Write `tuning: {type: LoRA}`"),
    ("loss settings of another loss", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, loss={"type": "Product", "logConf": {}}), "spec.strong.loss.logConf", "only when `type` is LogConf"),
    ("all dropped out", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"dropout": "1"}), "spec.strong.training.dropout", "below 1"),
    ("validation without its type", lambda spec: spec["strong"].update(tuning={"type": "LoRA"}, training={"stopping": {"weakValidation": {}}}), "spec.strong.training.stopping.weakValidation", "only when `type` is WeakValidation"),
    ("a labeler's LoRA settings of a head", put("weak.labelers.1.finetuned.tuning", {"lora": {}}), "spec.weak.labelers[1].finetuned.tuning.lora", "only when `type` is LoRA"),
    ("a labeler's schedule for a head", put("weak.labelers.1.finetuned.training", {"epochs": 2}), "spec.weak.labelers[1].finetuned.training", "without a schedule"),
    ("a labeler's learning rate", put("weak.labelers.1.finetuned.tuning", {"type": "Full", "full": {"learningRate": "0"}}), "spec.weak.labelers[1].finetuned.tuning.full.learningRate", "above 0"),
    ("too many shots", put("weak.labelers.1", {**ASKED, "prompted": {**ASKED["prompted"], "shots": 65}}), "spec.weak.labelers[1].prompted.shots", "above 64"),
    ("asked without a model", put("weak.labelers.1", {"name": "asked", "type": "Prompted"}), "spec.weak.labelers[1].prompted", "when `type` is Prompted"),
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
    ("structs of defaults", lambda spec: spec.update(strong={**spec["strong"], "tuning": {}, "loss": {}}, selection={}, evaluation={}, promotion={}, report={}, aggregation={"weightedAverage": {}})),
    ("fields without a value", lambda spec: spec["data"].update(revision=None, goldBudget=None, fields=None)),
    ("deep tuning", lambda spec: spec.update(DEEP["spec"])),
    ("a schedule in a labeler", put("weak.labelers.1.finetuned", {**SMALL["finetuned"], "tuning": {"type": "Full"}, "training": {"stopping": {}}})),
    ("everything at once", lambda spec: spec.update(FULL["spec"])),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "path", "says"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_manifest_is_refused_with_its_place(what, edit, path, says):
    job, problems = validate(manifest(edit))
    assert job is None
    said = [str(problem) for problem in problems]
    assert any(line.startswith(f"{path}: ") and says in line for line in said), said
    assert not any("pydantic" in line or "\n" in line for line in said)


@pytest.mark.parametrize(("what", "edit", "path", "says"), BAD, ids=[row[0] for row in BAD])
def test_the_api_server_refuses_it_too(what, edit, path, says):
    assert server_refuses(manifest(edit))


@pytest.mark.parametrize(("what", "edit"), GOOD, ids=[row[0] for row in GOOD])
def test_a_good_manifest_is_accepted_by_both(what, edit):
    assert validate(manifest(edit))[1] == []
    assert server_refuses(manifest(edit)) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("Licences", "lower-case"), ("a.b", "lower-case"), ("x" * 41, "at most 40"), ("-x", "no dash")],
)
def test_names_that_would_not_fit_a_pod_are_refused_by_both(name, says):
    document = {**manifest(), "metadata": {"name": name}}
    assert server_refuses(document)
    (problem,) = validate(document)[1]
    assert problem.path == ("metadata", "name")
    assert says in problem.reason


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"apiVersion": "w2s.dev/v1"}, ["apiVersion: must be w2s.dev/v1alpha1, not 'w2s.dev/v1'"]),
        ({"kind": "WeakToStrong"}, ["kind: must be WeakToStrongJob, not 'WeakToStrong'"]),
        ({"kind": None}, ["kind: required, but not given: write `kind: WeakToStrongJob`"]),
    ],
)
def test_of_an_object_of_another_kind_only_that_is_said(head, said):
    document = {**manifest(put("foo", 1)), **head}
    assert [str(problem) for problem in validate(document)[1]] == said


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_object_is_refused(document):
    job, (problem,) = validate(document)
    assert job is None
    assert "begins with `apiVersion`" in str(problem)


def test_every_mistake_is_reported_at_once():
    edits = [put("strong.maxtokens", 3), put("data.testFraction", 0.7), put("promotion.metric", "F1")]
    assert len(validate(manifest(*edits))[1]) == 3


def test_a_broken_rule_is_reported_beside_other_mistakes():
    job, problems = validate(manifest(put("strong.maxtokens", 3), put("promotion.over", ["Unfiltered"])))
    assert job is None
    assert {problem.path for problem in problems} == {
        ("spec", "strong", "maxtokens"),
        ("spec", "promotion", "over"),
    }


def test_a_rule_about_a_mistaken_field_waits_until_that_is_mended():
    """`positveClass` was meant: that AUROC lacks `positiveClass` is no second mistake."""
    edits = [
        put("task.positiveClass", None),
        put("task.positveClass", "free"),
        put("promotion.metric", "AUROC"),
    ]
    (problem,) = validate(manifest(*edits))[1]
    assert problem.nearest == "positiveClass"


def spots(value: Any, path: tuple[Any, ...] = ()):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield (*path, name)
        yield from spots(below, (*path, name))


TEXTS = ["", "x", "free", "own", "Direct", "None", "Data", "0", "1", "0.7", "-0.0", "é", "a\n", "x" * 70]
URIS = ["s3://a/b", "s3://legal/gold.csv", "s3://legal/w2s\n", "hf://x"]
OTHERS = [
    None,
    0,
    1,
    3,
    -1,
    0.5,
    10**10,
    True,
    [],
    {},
    ["Weak"],
    ["Direct", "Direct"],
    [None],
    [[]],
    {"uri": None},
]
VALUES = [*TEXTS, *URIS, *OTHERS]


@pytest.mark.parametrize("seed", range(20))
def test_random_edits_get_one_verdict(seed):
    """The two implementations of the rules agree on manifests that nobody thought of."""
    chance = random.Random(seed)
    refused = 0
    for _ in range(20):
        document = copy.deepcopy(FULL)
        for _ in range(chance.choice([1, 1, 2])):
            *parents, last = chance.choice(list(spots(document["spec"])))
            place = document["spec"]
            for part in parents:
                place = place[part]
            if chance.random() < 0.3:
                del place[last]
            else:
                place[last] = copy.deepcopy(chance.choice(VALUES))
        problems, refusals = validate(document)[1], server_refuses(document)
        assert bool(problems) == bool(refusals), (document["spec"], problems, refusals)
        refused += bool(problems)
    assert refused > 0
