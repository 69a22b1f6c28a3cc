from dataclasses import replace

import pytest

from w2s_api.exit_codes import ExitCode
from w2s_api.stage import Read, Stage
from w2s_trainer.local.changes import as_plan, changes, reads_changed
from w2s_trainer.local.plan import (
    LONGEST_WAIT,
    MAX_DISRUPTIONS,
    MAX_FAILURES,
    Run,
    State,
    Verdict,
    after_exit,
    done_stages,
    first_runs,
    is_resolving,
    next_retry,
    resolved_again,
    startable,
    with_artifacts,
)
from w2s_trainer.local.preview import Seen, preview


def stage(name: str, *needs: str, shards: int = 1, key: str = "k", **inputs) -> Stage:
    return Stage(
        name, "prepare" if name == "prepare" else "label", {"examples": needs}, inputs, {}, key, shards=shards
    )


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
        (ExitCode.DONE, State.DONE, Verdict.CONTINUE),
        (ExitCode.BAD_SPEC, State.FAILED, Verdict.END),
        (ExitCode.BAD_DATA, State.FAILED, Verdict.END),
        (ExitCode.DENIED, State.FAILED, Verdict.END),
        (ExitCode.INPUT_GONE, State.WAITING, Verdict.RESOLVE),
        (ExitCode.UNAVAILABLE, State.WAITING, Verdict.CONTINUE),
        (ExitCode.STOPPED, State.WAITING, Verdict.CONTINUE),
        (ExitCode.OWN_FAULT, State.WAITING, Verdict.CONTINUE),
        (-9, State.WAITING, Verdict.CONTINUE),
        (1, State.WAITING, Verdict.CONTINUE),
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
    assert (run.state, verdict) == (State.FAILED, Verdict.GIVE_UP)


def test_disruptions_are_not_charged_as_failures():
    run = Run(STAGES[0])
    for code in (75, 69, 70, 75, 69, 70, 75):
        run, verdict = after_exit(run, code, now=0)
        assert verdict is Verdict.CONTINUE
    assert (run.failures, run.disruptions) == (2, 5)


def test_waits_double_up_to_half_a_minute():
    run, waits = Run(STAGES[0]), []
    for _ in range(MAX_DISRUPTIONS):
        run, _ = after_exit(run, 75, now=100)
        waits.append(run.not_before - 100)
    assert waits == [1, 2, 4, 8, 16]
    assert after_exit(run, 75, now=0, first_wait=1)[0].failures == 0
    late, _ = after_exit(Run(STAGES[0], failures=1, disruptions=4), 70, now=100)
    assert late.not_before - 100 == LONGEST_WAIT
    quick, _ = after_exit(Run(STAGES[0]), 75, now=100, first_wait=0.25)
    assert quick.not_before - 100 == 0.25


@pytest.mark.parametrize(
    ("not_before", "seconds"), [({}, None), ({"label-b": 12}, 2), ({"label-a-0": 11, "label-b": 12}, 1)]
)
def test_the_next_retry_is_the_first_that_is_still_to_come(not_before, seconds):
    waiting = {
        name: Run(run.stage, run.shard, not_before=not_before.get(name, 9))
        for name, run in first_runs(STAGES).items()
    }
    assert next_retry(waiting, now=10) == seconds


def test_resolving_again_leaves_alone_what_runs():
    before = runs(prepare=DONE, label_a_0=RUNNING, label_a_1=DONE, label_b=State.REUSED)
    again = resolved_again(before)
    assert {name: run.state for name, run in again.items() if run.state is not State.WAITING} == {
        "label-a-0": RUNNING
    }
    assert startable(again, 4, 0) == ["prepare"]


@pytest.mark.parametrize(("prepare", "resolving"), [(State.WAITING, True), (RUNNING, True), (DONE, False)])
def test_the_plan_is_being_resolved_until_prepare_is_done(prepare, resolving):
    assert is_resolving(runs(prepare=prepare)) is resolving


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


DATA, MODEL = Read("s3://pool/texts.jsonl", "data"), Read("hf://org/model", "model")
READERS = (
    replace(stage("prepare"), reads=(DATA, DATA)),
    replace(stage("train", "prepare"), reads=(MODEL,)),
    stage("evaluate", "train"),
)
LAST = {"prepare": "p1", "train": "t1", "evaluate": "e1"}


@pytest.mark.parametrize(
    ("artifacts", "name", "why"),
    [
        (LAST, "prepare", None),
        ({**LAST, "prepare": "p2"}, "prepare", "the data changed behind s3://pool/texts.jsonl"),
        ({**LAST, "train": "t2"}, "train", "the model changed behind hf://org/model"),
        ({"prepare": "p2", "train": "t2"}, "train", None),  # the data explain it
        ({**LAST, "evaluate": "e2"}, "evaluate", None),  # it reads nothing from outside
    ],
)
def test_what_changed_behind_a_uri_is_told_where_no_other_stage_explains_it(artifacts, name, why):
    now = next(one for one in READERS if one.name == name)
    assert reads_changed(as_plan(READERS, LAST), now, artifacts) == why


def test_an_edit_or_an_unknown_artifact_explains_no_change_behind_a_uri():
    (prepare, *_) = READERS
    assert reads_changed(as_plan(READERS, LAST), replace(prepare, key="edited"), {"prepare": "p2"}) is None
    assert reads_changed(as_plan(READERS), prepare, {"prepare": "p2"}) is None
    assert reads_changed({}, prepare, {"prepare": "p2"}) is None


def test_a_preview_says_what_is_reused_what_runs_and_why():
    stages = (stage("prepare"), stage("label-a", "prepare", shards=2), stage("train", "label-a"))
    seen = Seen(
        "", {"train": "strong.maxTokens 64 → 32", "label-old": "it is gone"}, {"prepare": "", "label-a": ""}
    )
    lines = [" ".join(line.split()) for line in preview(stages, seen)]
    assert lines == [
        "prepare k reuse",
        "label-a × 2 k reuse needs prepare",
        "train k run needs label-a; strong.maxTokens 64 → 32",
        "label-old – – it is gone",
    ]
    assert [line.split()[2] for line in preview(stages[:1], Seen("no store"))] == ["?"]
