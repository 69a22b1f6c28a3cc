"""Rounds of self-training: which stages they are, what each reads, and which edit re-runs what."""

import pytest
from manifests import manifest, put

from w2s_api.arms import ARMS, MOST_ROUNDS, arms_of, candidate_of
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob

LAST = ["evaluate", "promote"]
SELF_TRAINED = put("promotion.candidate", "SelfTrained")
COMBINED = put("promotion.candidate", "Combined")


def rounds(most):
    return put("strong.rounds", {"max": most})


def spec_of(*edits):
    return WeakToStrongJob.model_validate(manifest(*edits)).spec


def plan(*edits):
    return {stage.name: stage for stage in pipeline(spec_of(*edits))}


def changed(before, after):
    return [name for name in after if name not in before or before[name].key != after[name].key]


def test_each_round_is_a_stage_that_reads_the_one_before_and_never_the_test():
    stages = plan(rounds(3), SELF_TRAINED)
    second, third = stages["round-2"], stages["round-3"]
    for stage in (second, third):
        assert (stage.kind, stage.arm, stage.seed) == ("train", stage.name, None)
        assert stage.roles["labels"] == ("aggregate",)
        assert stage.roles["students"] == ("train",)
        assert not {"evaluate", "promote"} & set(stage.needs)
    assert "round" not in second.roles
    assert third.roles["round"] == ("round-2",)
    assert stages["evaluate"].roles["students"] == ("train", "round-2", "round-3")
    assert stages["combine"].roles["students"] == ("train",)
    for name in LAST:
        assert stages[name].roles["rounds"] == ("round-2", "round-3")
    assert stages["promote"].roles["combination"] == ("combine",)
    assert stages["promote"].roles["student"] == ("train",)


def test_another_candidate_is_published_without_them():
    stages = plan(rounds(3))
    assert "rounds" not in stages["promote"].roles
    assert "rounds" in stages["evaluate"].roles


EDITS = [
    ("one more", rounds(4), ["round-4", *LAST]),
    ("one less", rounds(2), LAST),
    ("none", lambda spec: (rounds(1)(spec), COMBINED(spec)), LAST),
    ("the candidate", COMBINED, LAST),
    ("strength", put("strong.tuning", {"head": {"l2": "3"}}), ["train", "combine", "round-2", "round-3", *LAST]),
    ("description of a class", put("task.classes.0.description", "Free."), ["train", "combine", "round-2", "round-3", *LAST]),
    ("metric", put("promotion.metric", "Accuracy"), LAST),
    ("batch size", put("strong.batchTokens", 512), []),
    ("pods", put("pods.train", {"resources": {"limits": {"nvidia.com/gpu": 2}}}), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "again"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edit_runs_again_what_it_changes(what, edit, again):
    base = (rounds(3), SELF_TRAINED)
    assert changed(plan(*base), plan(*base, edit)) == again


def test_a_manifest_without_rounds_has_the_keys_that_it_had():
    assert changed(plan(), plan(rounds(1))) == []
    assert changed(plan(rounds(1)), plan(put("strong.rounds", {}))) == []


# As in test_api_keys.py: these must never change.
GOLDEN = {"round-2": "8b66c216bdd46d7276da69e9b650f634", "round-3": "636bbbfd86bf185342fe42a69d50e40e"}


def test_keys_are_those_of_the_first_release():
    stages = plan(rounds(3))
    assert {name: stages[name].key for name in GOLDEN} == GOLDEN


def test_the_arms_are_there_exactly_with_rounds():
    ours = {name for name in ARMS if name.startswith("round-")} | {"self-trained"}
    assert len(ours) == MOST_ROUNDS
    assert {arm.name for arm in arms_of(spec_of(rounds(3)))} & ours == {
        "round-2",
        "round-3",
        "self-trained",
    }
    assert not {arm.name for arm in arms_of(spec_of())} & ours
    assert [ARMS[f"round-{number}"].explores for number in (2, 3, 4)] == [
        ("combined",),
        ("round-2",),
        ("round-3",),
    ]
    assert candidate_of(spec_of(rounds(2), SELF_TRAINED)).beats == (
        "weak",
        "zero-shot",
        "gold-only",
        "strong",
        "unfiltered",
    )
