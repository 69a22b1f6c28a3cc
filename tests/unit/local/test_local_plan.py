import pytest

from w2s_api.exit_codes import ExitCode
from w2s_api.pipeline import Stage
from w2s_trainer.local.changes import as_plan, changes
from w2s_trainer.local.plan import (
    MAX_DISRUPTIONS,
    MAX_FAILURES,
    Run,
    State,
    Verdict,
    after_exit,
    done_stages,
    first_runs,
    startable,
    with_artifacts,
)


def stage(name: str, *needs: str, shards: int = 1, key: str = "k", **inputs) -> Stage:
    return Stage(name, "label", needs, inputs, {}, key, shards=shards)


STAGES = (
    stage("prepare"),
    stage("label-a", "prepare", shards=2),
    stage("label-b", "prepare"),
    stage("aggregate", "label-a", "label-b"),
)


def runs(**states: State) -> dict[str, Run]:
    found = first_runs(STAGES)
    named = {name.replace("_", "-"): state for name, state in states.items()}
    return {name: Run(run.stage, run.shard, named.get(name, State.WAITING)) for name, run in found.items()}


DONE, RUNNING = State.DONE, State.RUNNING


@pytest.mark.parametrize(
    ("states", "slots", "starts"),
    [
        ({}, 4, ["prepare"]),
        ({"prepare": RUNNING}, 4, []),
        ({"prepare": DONE}, 4, ["label-a-0", "label-a-1", "label-b"]),
        ({"prepare": DONE}, 2, ["label-a-0", "label-a-1"]),
        ({"prepare": DONE, "label_a_0": RUNNING}, 2, ["label-a-1"]),
        ({"prepare": DONE, "label_a_0": RUNNING, "label_b": RUNNING}, 2, []),
        ({"prepare": DONE, "label_a_0": DONE, "label_b": DONE}, 2, ["label-a-1"]),
        ({"prepare": DONE, "label_a_0": DONE, "label_a_1": DONE, "label_b": State.REUSED}, 2, ["aggregate"]),
        ({"prepare": DONE, "label_a_0": State.FAILED}, 1, ["label-a-1"]),
    ],
)
def test_what_can_start_starts_in_order(states, slots, starts):
    assert startable(runs(**states), slots, now=0) == starts


def test_a_retry_waits_for_its_time():
    waiting = {"prepare": Run(STAGES[0], not_before=10)}
    assert startable(waiting, 1, now=9.9) == []
    assert startable(waiting, 1, now=10) == ["prepare"]


def test_complete_artifacts_need_no_process():
    found = with_artifacts(runs(prepare=DONE), {"label-a": "key"})
    assert done_stages(found) == {"prepare", "label-a"}
    assert startable(found, 4, 0) == ["label-b"]


@pytest.mark.parametrize(
    ("code", "state", "verdict"),
    [
        (ExitCode.DONE, State.DONE, Verdict.GO_ON),
        (ExitCode.BAD_SPEC, State.FAILED, Verdict.END),
        (ExitCode.BAD_DATA, State.FAILED, Verdict.END),
        (ExitCode.DENIED, State.FAILED, Verdict.END),
        (ExitCode.INPUT_GONE, State.WAITING, Verdict.RESOLVE),
        (ExitCode.UNAVAILABLE, State.WAITING, Verdict.GO_ON),
        (ExitCode.STOPPED, State.WAITING, Verdict.GO_ON),
        (ExitCode.OWN_FAULT, State.WAITING, Verdict.GO_ON),
        (-9, State.WAITING, Verdict.GO_ON),
        (1, State.WAITING, Verdict.GO_ON),
    ],
)
def test_what_an_exit_means(code, state, verdict):
    run, said = after_exit(Run(STAGES[0], state=State.RUNNING), code, now=0)
    assert (run.state, said) == (state, verdict)


@pytest.mark.parametrize(
    ("code", "most"), [(70, MAX_FAILURES), (-9, MAX_FAILURES), (69, MAX_DISRUPTIONS), (75, MAX_DISRUPTIONS)]
)
def test_retries_are_bounded(code, most):
    run, tries = Run(STAGES[0]), 0
    while run.state is State.WAITING:
        run, verdict = after_exit(run, code, now=0)
        tries += 1
    assert tries == most + 1
    assert verdict is Verdict.END


def test_disruptions_are_not_charged_as_failures():
    run = Run(STAGES[0])
    for code in (75, 69, 70, 75, 69, 70, 75):
        run, verdict = after_exit(run, code, now=0)
        assert verdict is Verdict.GO_ON
    assert (run.failures, run.disruptions) == (2, 5)


def test_waits_double_up_to_half_a_minute():
    run, waits = Run(STAGES[0]), []
    for _ in range(MAX_DISRUPTIONS):
        run, _ = after_exit(run, 75, now=100)
        waits.append(run.not_before - 100)
    assert waits == [1, 2, 4, 8, 16]


def test_changes_name_the_field_the_old_and_the_new_value():
    before = as_plan((stage("train", key="1", strong={"maxTokens": 64}), stage("evaluate", "train", key="1")))
    after = (
        stage("train", key="2", strong={"maxTokens": 64, "tuning": {"head": {"l2": "3"}}}),
        stage("evaluate", "train", key="2"),
    )
    assert changes(before, after) == {
        "train": "strong.tuning.head.l2 (default) → 3",
        "evaluate": "train changed",
    }


def test_new_and_dropped_stages_are_named_and_the_same_is_silent():
    before = as_plan((stage("prepare"), stage("label-old")))
    assert changes(before, (stage("prepare"), stage("label-new"))) == {
        "label-new": "it is new",
        "label-old": "it is gone from the manifest",
    }
    assert changes(as_plan(STAGES), STAGES) == {}
