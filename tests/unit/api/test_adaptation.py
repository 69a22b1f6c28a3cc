"""The steps before any label: which stages they are, which edit re-runs what, and what is refused."""

import pytest
from manifests import SOUND, manifest, put
from pydantic import ValidationError

from w2s_api.arms import ARMS, arms_of
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_api.stage import ModelReference, Read

MODEL = SOUND["spec"]["strong"]["model"]["uri"]
PRETRAIN = {"type": "Pretrain", "pretrain": {}}
PRUNE = {"type": "Prune", "prune": {"sparsity": "0.3"}}
MERGE = {"type": "Merge", "merge": {"models": [{"uri": "py://other"}]}}
LORA = put("strong.tuning", {"type": "LoRA"})
ALL_AFTER = ["train", "combine", "evaluate", "promote"]


def steps(*given):
    return put("strong.adaptation", {"steps": list(given)})


def plan(*edits):
    job = WeakToStrongJob.model_validate(manifest(*edits))
    return {stage.name: stage for stage in pipeline(job.spec)}


def changed(before, after):
    return [name for name in after if name not in before or before[name].key != after[name].key]


def test_each_step_is_a_stage_and_what_follows_reads_the_last_one():
    stages = plan(steps(PRETRAIN, MERGE))
    first, second = stages["adapt-1-pretrain"], stages["adapt-2-merge"]
    assert (first.kind, first.step, first.processes) == ("adapt", 0, "PerGPU")
    assert (second.kind, second.step, second.processes) == ("adapt", 1, "One")
    assert first.model == ModelReference(uri=MODEL)
    assert second.model == ModelReference(stage="adapt-1-pretrain")
    assert second.reads == (Read("py://other", "model"),)
    for name in ("train", "combine", "promote"):
        assert stages[name].model == ModelReference(stage="adapt-2-merge")
        assert stages[name].roles["model"] == ("adapt-2-merge",)
    assert stages["train-unadapted"].model == ModelReference(uri=MODEL)
    assert "model" not in stages["train-unadapted"].roles
    assert stages["evaluate"].roles["students"] == ("train", "train-unadapted")
    assert stages["evaluate"].roles["adaptation"] == ("adapt-1-pretrain", "adapt-2-merge")
    assert stages["combine"].roles["students"] == ("train",)
    assert stages["promote"].roles["student"] == ("train",)


def test_beside_a_tuned_student_every_seed_is_tuned_without_the_steps_too():
    stages = plan(steps(PRETRAIN), LORA, put("evaluation.seeds", 2))
    for seed in (0, 1):
        unadapted = stages[f"train-unadapted-{seed}"]
        assert (unadapted.arm, unadapted.seed, unadapted.processes) == ("unadapted", seed, "PerGPU")
        assert unadapted.model == ModelReference(uri=MODEL)
        assert stages[f"train-strong-{seed}"].model == ModelReference(stage="adapt-1-pretrain")
    assert stages["combine"].roles["students"] == ("train-strong-0", "train-strong-1")


def test_a_selection_that_looks_at_features_looks_at_those_of_the_adapted_model():
    near = put("selection.steps", [{"type": "Neighbours", "neighbours": {"keepFractionPerClass": "0.5"}}])
    assert plan(steps(PRETRAIN), near)["select"].roles["model"] == ("adapt-1-pretrain",)


EDITS = [
    ("a setting of the first step", put("strong.adaptation.steps.0.pretrain.maskFraction", "0.3"),
     ["adapt-1-pretrain", "adapt-2-merge", *ALL_AFTER]),
    ("a setting of the second step", put("strong.adaptation.steps.1.merge.models.0.weight", "0.3"),
     ["adapt-2-merge", *ALL_AFTER]),
    ("without the second step", lambda spec: spec["strong"]["adaptation"]["steps"].pop(), ALL_AFTER),
    ("general texts", put("strong.adaptation.steps.0.pretrain.replay", {"corpora": [{"uri": "s3://general/"}], "fraction": "0.25"}),
     ["adapt-1-pretrain", "adapt-2-merge", *ALL_AFTER]),
    ("what retains", put("strong.adaptation.steps.0.pretrain.retain", {"type": "StartingPoint"}),
     ["adapt-1-pretrain", "adapt-2-merge", *ALL_AFTER]),
    ("the model", put("strong.model.uri", "hf://org/other"),
     ["adapt-1-pretrain", "adapt-2-merge", "train", "train-unadapted", *ALL_AFTER[1:]]),
    ("strength of the head", put("strong.tuning", {"head": {"l2": "3"}}), ["train", "train-unadapted", *ALL_AFTER[1:]]),
    ("without the ablation", put("evaluation.unadapted", False),
     ["evaluate", "promote"]),
    ("how often it is saved", put("strong.adaptation.steps.0.pretrain.training", {"checkpointIntervalSeconds": 9}), []),
    ("where activations are", put("strong.adaptation.steps.0.pretrain.training", {"gradientCheckpointing": True}), []),
    ("batch size of the student", put("strong.batchTokens", 512), []),
    ("defaults written out", put("strong.adaptation.steps.0.pretrain", {"pool": True, "tuning": {"type": "Full"}}), []),
    ("pods", put("pods.adapt", {"resources": {"limits": {"nvidia.com/gpu": 2}}}), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "again"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edit_of_a_step_runs_it_again_and_what_follows_and_nothing_before(what, edit, again):
    before, after = plan(steps(PRETRAIN, MERGE)), plan(steps(PRETRAIN, MERGE), edit)
    assert changed(before, after) == again


def test_what_is_replayed_is_read_by_the_step_alone():
    replay = {"corpora": [{"uri": "s3://general/"}], "fraction": "0.250"}
    stages = plan(steps({"type": "Pretrain", "pretrain": {"replay": replay}}))
    assert Read("s3://general/", "data") in stages["adapt-1-pretrain"].reads
    assert Read("s3://general/", "data") not in stages["train"].reads
    same = plan(steps({"type": "Pretrain", "pretrain": {"replay": {**replay, "fraction": "0.25"}}}))
    assert changed(stages, same) == []


def test_two_jobs_with_the_same_step_share_its_key():
    other = put("task.instruction", "Is it another question?")
    rules = put("weak.labelers.0.functions.rules.0.pattern", "lgpl")
    before, after = plan(steps(PRETRAIN)), plan(steps(PRETRAIN), other, rules, LORA)
    assert before["adapt-1-pretrain"].key == after["adapt-1-pretrain"].key
    assert before["train"].key != plan()["train"].key


# As in test_api_keys.py: these must never change.
GOLDEN = {
    "adapt-1-pretrain": "33bdbbd41836d11d31ce0aa06b6ab77e",
    "adapt-2-merge": "970ca9657535633847c6d96a7d59701d",
    "train-unadapted": "7f91142c381834962598d41728ed4b78",
}


def test_a_step_that_prunes_is_a_stage_of_its_own_whose_settings_are_in_its_key():
    before = plan(steps(PRETRAIN, PRUNE))
    pruned = before["adapt-2-prune"]
    assert (pruned.step, pruned.processes, pruned.model) == (
        1,
        "One",
        ModelReference(stage="adapt-1-pretrain"),
    )
    half = plan(steps(PRETRAIN, {"type": "Prune", "prune": {"sparsity": "0.5", "method": "Magnitude"}}))
    assert changed(before, half) == ["adapt-2-prune", *ALL_AFTER]
    blocks = {"type": "Prune", "prune": {"method": "BlockInfluence", "blocks": 2}}
    assert changed(half, plan(steps(PRETRAIN, blocks))) == ["adapt-2-prune", *ALL_AFTER]


@pytest.mark.parametrize(
    ("prune", "kept"), [({}, True), ({"method": "Magnitude"}, True), ({"method": "Neurons"}, False)]
)
def test_what_only_becomes_zero_keeps_its_shape(prune, kept):
    job = WeakToStrongJob.model_validate(manifest(steps({"type": "Prune", "prune": prune})))
    assert job.spec.strong.adaptation.steps[0].settings.keeps_shapes == kept


def test_keys_are_those_of_the_first_release():
    stages = plan(steps(PRETRAIN, MERGE))
    assert {name: stages[name].key for name in GOLDEN} == GOLDEN


def test_the_arm_is_there_exactly_with_steps_and_unless_it_is_left_out():
    def arms(*edits):
        return {arm.name for arm in arms_of(WeakToStrongJob.model_validate(manifest(*edits)).spec)}

    assert "unadapted" in arms(steps(PRETRAIN))
    assert "unadapted" not in arms()
    assert "unadapted" not in arms(steps(PRETRAIN), put("evaluation.unadapted", False))
    assert ARMS["strong"].explores[-1] == "unadapted"


def test_weights_of_a_mean_may_be_one_together():
    thirds = [{"uri": "py://a", "weight": "0.3"}, {"uri": "py://b", "weight": "0.7"}]
    assert plan(steps({"type": "Merge", "merge": {"models": thirds}}))


def test_the_name_leaves_room_for_the_stage():
    job = manifest(steps(PRETRAIN))
    job["metadata"]["name"] = "n" * 33
    with pytest.raises(ValidationError, match=r"`strong\.adaptation\.steps`|strong.adaptation.steps"):
        WeakToStrongJob.model_validate(job)


@pytest.mark.parametrize(("step", "most"), [(PRETRAIN, 32), (PRUNE, 32), ("ExtendVocabulary", 23)])
def test_only_a_step_with_a_long_name_leaves_less_room(step, most):
    extend = {"type": "ExtendVocabulary", "extendVocabulary": {"tokens": 9}}
    job = manifest(steps(PRETRAIN, extend if step == "ExtendVocabulary" else step))
    job["metadata"]["name"] = "n" * most
    WeakToStrongJob.model_validate(job)
    job["metadata"]["name"] += "n"
    with pytest.raises(ValidationError, match="23 with one of type ExtendVocabulary"):
        WeakToStrongJob.model_validate(job)
