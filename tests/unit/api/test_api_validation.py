"""One table of manifests, run through `w2s validate` and through the CRD as the API server reads it."""

import copy
import random
from typing import Any

import pytest
from api_server_kit import server_refuses
from manifests import FULL, manifest, put
from verdicts import (
    BAD,
    BAD_NAMES,
    GOOD,
    GOOD_NAMES,
    LONG_LABELER,
    LORA,
    STEP,
    TRANSITIONS,
    question_answer,
    synthesises,
    writes,
)

from w2s_api.names import MARK_DIGITS, RUN_DIGITS
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_api.validation import dotted, validate


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
    ("rule", "says"),
    [
        (
            {"write": "gpl-{versoin}", "pattern": "v(?P<version>[0-9])"},
            "{versoin} is no group of the rule's pattern: it has {1}, {version}",
        ),
        ({"write": "{2}", "pattern": "v([0-9])"}, "{2} is no group of the rule's pattern: it has {1}"),
        ({"write": "{0}", "pattern": "(a)(b)"}, "{0} is no group of the rule's pattern: it has {1} to {2}"),
        ({"write": "{1}", "pattern": "mit"}, "{1} is no group of the rule's pattern: it has none"),
        (
            {"write": "{1}", "keywords": ["mit"]},
            "{1} is no group of the rule's pattern: keywords capture nothing",
        ),
        ({"write": "{", "pattern": "mit"}, "a brace that is meant is written twice"),
        ({"write": "{1!r}", "pattern": "(mit)"}, "a template names groups as {version} or {1}"),
    ],
)
def test_a_template_of_what_is_not_captured_is_refused_where_it_is_checked(rule, says):
    """By `w2s validate`, and by `prepare` in a cluster: CEL does not read patterns."""
    sound = {"write": "{{{1}}}", "pattern": "(mit)"}
    job, (problem,) = validate(manifest(writes(sound, rule)))
    assert job is None
    assert str(problem).startswith("spec.weak.labelers[0].functions.rules[1].write: ")
    assert says in problem.reason


@pytest.mark.parametrize(("name", "edit", "says"), BAD_NAMES)
def test_names_that_would_not_fit_a_job_are_refused_by_both(name, edit, says):
    document = {**manifest(edit), "metadata": {"name": name}}
    (problem,) = validate(document)[1]
    assert problem.path == ("metadata", "name")
    assert says in problem.reason
    refused = server_refuses(document)
    assert refused
    assert " too many" not in says or any(says.rpartition(" (")[0] in one for one in refused)


@pytest.mark.parametrize(("name", "edit"), GOOD_NAMES)
def test_names_that_just_fit_are_accepted_by_both(name, edit):
    document = {**manifest(edit), "metadata": {"name": name}}
    assert validate(document)[1] == []
    assert server_refuses(document) == []


@pytest.mark.parametrize(
    "document",
    [
        {**manifest(put("weak.labelers.0.shards", 256)), "metadata": {"name": "x" * 33}},
        {**manifest(LONG_LABELER, put("weak.labelers.0.shards", 256)), "metadata": {"name": "x" * 14}},
        {
            **manifest(
                LORA,
                put("selection.steps", [STEP]),
                put("evaluation", {"seeds": 20, "ceiling": True}),
            ),
            "metadata": {"name": "x" * 29},
        },
    ],
)
def test_child_jobs_and_hosts_of_their_shards_have_names_that_kubernetes_takes(document):
    job, problems = validate(document)
    assert job, problems
    for stage in pipeline(job.spec):
        name = f"{job.metadata.name}-{stage.name}-{'0' * MARK_DIGITS}-{'9' * RUN_DIGITS}"
        host = f"{name}-{stage.shards - 1}" if stage.shards > 1 else name
        assert len(host) <= 63


@pytest.mark.parametrize(("before", "after", "refused"), TRANSITIONS)
def test_a_job_stays_with_its_controller(before, after, refused):
    said = server_refuses(manifest(after), old=manifest(before))
    assert ["`managedBy` cannot be changed" in one for one in said] == [True] * refused


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


@pytest.mark.parametrize(
    ("step", "place", "says"),
    [
        (
            question_answer(
                rules=[{"pattern": "(?P<who>bo)", "question": "Who is {him}?", "answer": "{who}"}]
            ),
            "rules[0].question",
            "{him} is no group of the rule's pattern",
        ),
        (
            question_answer(
                model={"uri": "py://llm"},
                examples=[
                    {"passage": "made by bo", "question": "Who?", "quotation": "by jo", "answer": "jo"}
                ],
            ),
            "examples[0].quotation",
            "does not stand in the passage",
        ),
    ],
)
def test_what_a_step_of_the_synthesis_knows_to_be_wrong_is_said_at_its_place(step, place, says):
    _, (problem,) = validate(manifest(synthesises(step)))
    assert dotted(problem.path) == f"spec.synthesis.steps[0].questionAnswer.{place}"
    assert says in problem.reason


def test_a_broken_rule_is_reported_beside_other_mistakes():
    job, problems = validate(manifest(put("strong.maxtokens", 3), put("promotion.mustBeat", ["Unfiltered"])))
    assert job is None
    assert {problem.path for problem in problems} == {
        ("spec", "strong", "maxtokens"),
        ("spec", "promotion", "mustBeat"),
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


TEXTS = ["", "x", "free", "own", "GoldOnly", "None", "Data", "0", "1", "0.7", "-0.0", "é", "a\n", "x" * 70]
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
    ["GoldOnly", "GoldOnly"],
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


def test_a_stage_has_the_pod_settings_of_its_kind_over_those_of_all():
    spec = WeakToStrongJob.model_validate(FULL).spec
    train, label = spec.pods.of("train"), spec.pods.of("label")
    assert label == spec.pods.default
    assert train.image == label.image
    assert train.resources.limits == {"nvidia.com/gpu": "1", "memory": "64Gi"}  # as a whole
    assert train.resources.requests is None
