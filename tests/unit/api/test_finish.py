"""The steps after the training: which stages they are, which edit re-runs what, and what follows reads."""

from copy import deepcopy

import pytest
from manifests import manifest, put

from w2s_api.arms import ARMS, arms_of
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob

HALF = {"type": "Interpolate"}
CHOSEN = {"type": "Interpolate", "interpolate": {"shares": ["0.5", "1"]}}
ALL_AFTER = ["combine", "evaluate", "promote"]


def steps(*given):
    def edit(spec):
        spec["strong"].update(tuning={"type": "LoRA"}, finish={"steps": deepcopy(list(given))})
        spec["evaluation"] = {"seeds": 2, "controls": []}

    return edit


def plan(*edits):
    job = WeakToStrongJob.model_validate(manifest(*edits))
    return {stage.name: stage for stage in pipeline(job.spec)}


def changed(before, after):
    return [name for name in after if name not in before or before[name].key != after[name].key]


def test_each_step_is_a_stage_for_each_seed_and_what_follows_reads_the_last_one():
    stages = plan(steps(HALF, CHOSEN))
    made = [stage for stage in stages.values() if stage.kind == "finish"]
    assert [(stage.name, stage.step, stage.seed) for stage in made] == [
        ("finish-1-interpolate-0", 0, 0),
        ("finish-1-interpolate-1", 0, 1),
        ("finish-2-interpolate-0", 1, 0),
        ("finish-2-interpolate-1", 1, 1),
    ]
    assert [stage.roles["student"] for stage in made] == [
        ("train-strong-0",),
        ("train-strong-1",),
        ("finish-1-interpolate-0",),
        ("finish-1-interpolate-1",),
    ]
    last = ("finish-2-interpolate-0", "finish-2-interpolate-1")
    assert stages["combine"].roles["students"] == last
    assert stages["promote"].roles["student"] == last[:1]
    assert stages["evaluate"].roles["finish"] == tuple(stage.name for stage in made)
    assert stages["evaluate"].roles["students"] == ("train-strong-0", "train-strong-1")


def test_it_is_of_the_model_that_was_adapted():
    stages = plan(steps(HALF), put("strong.adaptation", {"steps": [{"type": "Pretrain", "pretrain": {}}]}))
    assert stages["finish-1-interpolate-0"].roles["model"] == ("adapt-1-pretrain",)
    assert not [name for name in stages if name.startswith("finish") and "unadapted" in name]


def test_without_steps_every_key_is_what_it_was():
    assert {stage.key for stage in plan(steps()).values()} == {
        stage.key
        for stage in plan(steps(), put("strong.finish", {}), put("evaluation.unfinished", True)).values()
    }
    with_steps, without = plan(steps(HALF)), plan(steps())
    assert changed(with_steps, without) == ALL_AFTER


def writing(*given):
    def edit(spec):
        spec["task"] = {"type": "Generation", "instruction": "Name it.", "generation": {}}
        rules = [{"pattern": "a", "write": "a"}]
        spec["weak"] = {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]}
        spec["aggregation"], spec["selection"] = {"type": "MajorityVote"}, {"steps": []}
        spec["promotion"] = {"metric": "ExactMatch", "mustBeat": []}
        steps(*given)(spec)

    return edit


def test_where_a_step_learns_from_the_budget_the_choice_reads_the_students_before_it_too():
    align = {"type": "Align"}
    stages = plan(writing(HALF, align, HALF))
    assert stages["combine"].roles["students"] == ("finish-3-interpolate-0", "finish-3-interpolate-1")
    assert stages["combine"].roles["unfinished"] == ("finish-1-interpolate-0", "finish-1-interpolate-1")
    aligned = stages["finish-2-align-1"]
    assert (aligned.processes, aligned.roles["labels"]) == ("PerGPU", ("aggregate",))
    assert "labels" not in stages["finish-1-interpolate-0"].roles
    assert "unfinished" not in plan(writing(HALF))["combine"].roles
    budget = put("data.goldBudget", 40)
    again = changed(plan(writing(HALF, align)), plan(writing(HALF, align), budget))
    assert {"finish-2-align-0", "finish-2-align-1"} <= set(again)
    assert not {"train-strong-0", "finish-1-interpolate-0"} & set(again)
    schedule = put(
        "strong.finish.steps.0", {"type": "Align", "align": {"training": {"checkpointIntervalSeconds": 9}}}
    )
    assert changed(plan(writing(align)), plan(writing(align), schedule)) == []


SECOND = ["finish-2-interpolate-0", "finish-2-interpolate-1"]
EDITS = [
    ("a share of the first step", put("strong.finish.steps.0.interpolate", {"shares": ["0.4"]}),
     ["finish-1-interpolate-0", "finish-1-interpolate-1", *SECOND, *ALL_AFTER]),
    ("a share of the second", put("strong.finish.steps.1.interpolate.shares", ["0.4", "1"]), [*SECOND, *ALL_AFTER]),
    ("the same shares in another order", put("strong.finish.steps.1.interpolate.shares", ["1", "0.5"]), []),
    ("the metric, by which one is chosen", put("promotion.metric", "Accuracy"), [*SECOND, *ALL_AFTER]),
    ("without the ablation", put("evaluation.unfinished", False), ["evaluate", "promote"]),
    ("batch size", put("strong.batchTokens", 512), []),
    ("pods", put("pods.finish", {"resources": {"limits": {"nvidia.com/gpu": 1}}}), []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "edit", "again"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edit_of_a_step_runs_it_again_and_what_follows_and_nothing_before(what, edit, again):
    before, after = plan(steps(HALF, CHOSEN)), plan(steps(HALF, CHOSEN), edit)
    assert changed(before, after) == again


# As in test_api_keys.py: these must never change.
GOLDEN = {
    "finish-1-interpolate-0": "434d18e2cc9e138888582112d25e3b40",
    "finish-2-interpolate-1": "77d390d1e6fb115aee2cd1f6c1bcb55d",
}


def test_keys_are_those_of_the_first_release():
    stages = plan(steps(HALF, CHOSEN))
    assert {name: stages[name].key for name in GOLDEN} == GOLDEN


def test_the_arm_is_there_exactly_with_steps_and_unless_it_is_left_out():
    def arms(*edits):
        return {arm.name for arm in arms_of(WeakToStrongJob.model_validate(manifest(*edits)).spec)}

    assert "unfinished" in arms(steps(HALF))
    assert "unfinished" not in arms(steps())
    assert "unfinished" not in arms(steps(HALF), put("evaluation.unfinished", False))
    assert "unfinished" in ARMS["strong"].explores
