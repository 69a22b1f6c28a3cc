"""What is valid and was surely not meant."""

import pytest
from manifests import ASKED, FULL, OWN, RULES, asked, llm, manifest, put
from verdicts import adapted, both_edits, judged, selects_texts

from w2s_api.spec.job import WeakToStrongJob
from w2s_api.validation import validate
from w2s_api.warnings import warnings


def doubts(*edits) -> list[str]:
    job, problems = validate(manifest(*edits))
    assert job is not None, problems
    return [str(problem) for problem in warnings(job.spec)]


def resources(requests: dict | None = None, limits: dict | None = None):
    given = {name: value for name, value in (("requests", requests), ("limits", limits)) if value}
    return put("pods.train", {"resources": given})


RULE = "spec.weak.labelers[0].functions.rules[0]"


def only(*rules: dict):
    return put("weak.labelers", [{**RULES, "functions": {"rules": list(rules)}}])


FREE = {"className": "free", "pattern": "gpl"}
RESTRICTED = {"className": "restricted", "keywords": ["fee"]}

QUESTIONED = [
    (resources({"memory": "512m"}), "requests.memory: 512m are thousandths of a byte: for 512 MiB write 512Mi"),
    (resources(limits={"memory": "512m"}), "limits.memory: 512m are thousandths"),
    (resources({"memory": "1.1Gi"}), "requests.memory: 1.1Gi is no whole number of bytes"),
    (resources({"memory": "0.5"}), "is no whole number of bytes"),
    (resources({"memory": 512}), "requests.memory: 512 is only 512 bytes: for 512 MiB write 512Mi"),
    (resources({"memory": "4096"}), "is only 4,096 bytes"),
    (resources({"memory": "100k"}), "100k is only 100,000 bytes"),
    (resources({"ephemeral-storage": "10m"}), "requests.ephemeral-storage: 10m are thousandths"),
    (resources(limits={"ephemeral-storage": 20}), "limits.ephemeral-storage: 20 is only 20 bytes"),
    (resources(limits={"hugepages-2Mi": "4m"}), "limits.hugepages-2Mi: 4m are thousandths"),
    (resources({"cpu": 1500}), "requests.cpu: 1500 is 1,500 cores: for 1500 thousandths of a core write 1500m"),
    (resources(limits={"cpu": "2Gi"}), "limits.cpu: 2Gi is 2,147,483,648 cores"),
    (resources({"cpu": "0.0005"}), "finer than a thousandth of a core"),
    (resources({"cpu": "0.5m"}), "finer than a thousandth of a core"),
    (resources(limits={"nvidia.com/gpu": "500m"}), "500m of nvidia.com/gpu: Kubernetes gives only whole ones"),
    (resources(limits={"nvidia.com/gpu": "0.5"}), "only whole ones"),
    (resources({"memory": "2Gi"}, {"memory": "2000Mi"}), "requests.memory: 2Gi is more than the limit of 2000Mi"),
    (resources({"cpu": 2}, {"cpu": "1500m"}), "requests.cpu: 2 is more than the limit of 1500m"),
    (put("selection.steps", [judged(model={"uri": "s3://legal/models/own/"}, minimum="3")]), "spec.selection.steps[0].judge.model.uri: s3://legal/models/own/ is also the model of the labeler 'own'"),
    (both_edits(selects_texts(), put("evaluation", {"judge": {"model": {"uri": "hf://org/name"}}})), "spec.evaluation.judge.model.uri: hf://org/name is also the model of 'strong'"),
    (put("pods.default", {"sharedMemory": "64m"}), "spec.pods.default.sharedMemory: 64m are thousandths"),
    (put("pods.label", {"cache": {"sizeLimit": "20"}}), "spec.pods.label.cache.sizeLimit: 20 is only 20 bytes"),
    (only({**FREE, "pattern": "\bgpl\b"}, RESTRICTED), f"{RULE}.pattern: has the control character U+0008"),
    (only({**FREE, "pattern": "gpl\x1b"}, RESTRICTED), f"{RULE}.pattern: has the control character U+001B"),
    (only({**FREE, "pattern": "\u2029L"}, RESTRICTED), "U+2029"),
    (only({"className": "free", "keywords": ["gpl", "\x07"]}, RESTRICTED), f"{RULE}.keywords[1]: has the control"),
    (only({"className": "free", "keywords": ["gpl", " \u00a0"]}, RESTRICTED), f"{RULE}.keywords[1]: nothing in it can be seen"),
    (only({"className": "free", "keywords": ["gpl", "\u200b\u00ad"]}, RESTRICTED), f"{RULE}.keywords[1]: nothing in it can be seen"),
    (put("weak.labelers.1", asked(shots=0, strategies=[{}, {"shots": 2}, {"shots": 0}])), "spec.weak.labelers[1].prompted.strategies[2]: is the same as strategies[0]"),
    (only(FREE, FREE), "spec.weak.labelers: no rule votes for the class 'restricted'"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "says"), QUESTIONED)
def test_what_was_surely_not_meant_is_questioned(edit, says):
    found = doubts(edit)
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.parametrize(
    "edit",
    [
        resources({"memory": "512Mi", "cpu": "500m", "ephemeral-storage": "20Gi"}),
        resources({"memory": "8000000000", "cpu": "0.5"}, {"memory": "8G", "cpu": 1, "nvidia.com/gpu": 1}),
        resources({"memory": "1.5Gi", "cpu": "1.25"}),
        resources({"memory": 0}),
        resources({"cpu": 2}, {"memory": "4Gi"}),
        put("pods.train", {"sharedMemory": "1Gi", "cache": {"sizeLimit": "20Gi"}}),
        only({**FREE, "pattern": "\\bgpl\\b\n\t\u00a0"}, RESTRICTED),
        put("weak.labelers", [{**RULES, "functions": {"rules": [FREE]}}, OWN]),
        put("weak.labelers", [OWN, ASKED]),
        put("weak.labelers", [{**RULES, "name": name, "functions": {"rules": [rule]}} for name, rule in (("a", FREE), ("b", RESTRICTED))]),
    ],
)  # fmt: skip
def test_what_is_meant_is_not(edit):
    assert doubts(edit) == []


def test_the_full_manifest_raises_no_doubt():
    assert warnings(WeakToStrongJob.model_validate(FULL).spec) == []


@pytest.mark.parametrize(
    ("one", "other", "points"),
    [
        ("caf\u00e9", "cafe\u0301", "U+0065 U+0301"),
        ("cafe\u0301", "caf\u00e9", "U+00E9"),
        ("\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af", "U+1112"),
        ("\ufb01ne", "fine", "U+0066"),
        ("no", "n\u200bo", "U+200B"),
        ("a b", "a\u00a0b", "U+00A0"),
        ("A", "\uff21", "U+FF21"),
    ],
)
def test_classes_that_look_the_same_are_refused_by_their_code_points(one, other, points):
    classes = [{"name": one}, {"name": other}]
    rules = [{**FREE, "className": one}, {**RESTRICTED, "className": other}]
    edits = [put("task.classes", classes), put("task.positiveClass", None), only(*rules)]
    job, (problem,) = validate(manifest(*edits))
    assert job is None
    assert problem.path == ("spec", "task", "classes", 1, "name")
    assert points in problem.reason
    assert "U+" in problem.reason.split("written", 1)[1]


def test_a_class_that_is_named_in_other_code_points_is_shown_by_them():
    classes = [{"name": "caf\u00e9"}, {"name": "th\u00e9"}]
    rules = [{**FREE, "className": "cafe\u0301"}, {**RESTRICTED, "className": "th\u00e9"}]
    edits = [put("task.classes", classes), put("task.positiveClass", "the\u0301"), only(*rules)]
    said = {str(problem) for problem in validate(manifest(*edits))[1]}
    assert any(
        "positiveClass" in line and "U+0074 U+0068 U+0065 U+0301: write both alike" in line for line in said
    )
    edits[1] = put("task.positiveClass", None)
    (problem,) = validate(manifest(*edits))[1]
    assert problem.path[-1] == "className"
    assert "U+0063 U+0061 U+0066 U+00E9" in problem.reason


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "https://llm.example.org/v1/chat/completions"}, "leave out what comes after it"),
        (
            {"url": "http://llm.example.org/v1", "apiKeySecretRef": {"name": "a", "key": "b"}},
            "read on the way",
        ),
    ],
)
def test_a_url_of_an_endpoint_that_was_not_meant(settings, said):
    (doubt,) = doubts(put("weak.labelers.1", llm(**settings)))
    assert doubt.startswith("spec.weak.labelers[1].endpoint.url: ")
    assert said in doubt


@pytest.mark.parametrize(
    "url", ["http://vllm:8000/v1", "http://vllm.llm.svc/v1", "http://127.0.0.1:1/v1", "https://a.example.org"]
)
def test_a_url_of_an_endpoint_nearby_or_by_tls(url):
    assert doubts(put("weak.labelers.1", llm(url=url, apiKeySecretRef={"name": "a", "key": "b"}))) == []


def test_tokens_that_nothing_teaches_are_doubted():
    extend = {"type": "ExtendVocabulary", "extendVocabulary": {"tokens": 9}}
    pretrain = {"type": "Pretrain", "pretrain": {}}
    assert doubts(adapted(extend, pretrain)) == doubts(adapted(pretrain)) == []
    (doubt,) = doubts(adapted(pretrain, extend))
    assert "spec.strong.adaptation.steps[1].extendVocabulary" in doubt
    assert "no step Pretrain follows" in doubt
