"""Each policy by itself: what it decides, what it amends, and what it leaves to those after it."""

import dataclasses
import itertools
import pkgutil
import re
from pathlib import Path

import pytest
from operator_kit import START
from view_kit import NEEDS, child, idle, pod, record, running, view

from w2s_api.status import StageProgress
from w2s_operator.observed import Exit, Refusal, Words
from w2s_operator.planning import policies
from w2s_operator.planning.actions import DeleteChild
from w2s_operator.planning.outcome import POD_STATUS_GRACE
from w2s_operator.planning.policies import POLICIES, decide
from w2s_operator.planning.policies.adopt import adopt
from w2s_operator.planning.policies.create import create
from w2s_operator.planning.policies.deadline import deadline
from w2s_operator.planning.policies.hold import hold
from w2s_operator.planning.policies.keep import keep
from w2s_operator.planning.policies.lost import lost
from w2s_operator.planning.policies.replace import replace
from w2s_operator.planning.policies.retry import retry
from w2s_operator.planning.policies.reuse import after_stocktaking, reuse
from w2s_operator.planning.policies.settle import settle
from w2s_operator.planning.policies.suspend import suspend
from w2s_operator.planning.policies.watch import watch
from w2s_operator.planning.view import NEVER
from w2s_operator.times import from_seconds

DONE = Words("Done", artifact="a9")


def ended(code: int, words: Words | None = None, **fields: object) -> dict[str, object]:
    """A run that has ended, with its pod."""
    condition = "Failed" if code else "Complete"
    return {
        "children": child(condition=condition, ended=START + 5),
        "pods": (pod(started=START + 1, exit=Exit(code, words=words), **fields),),
    }


def of_ended(
    code: int, words: Words | None = None, pod_fields: dict[str, object] | None = None, **more: object
):
    run = ended(code, words, **(pod_fields or {}))
    return view(more.pop("record", running()), run["children"], pods=run["pods"], after=10, **more)  # type: ignore[arg-type]


# The list


def test_every_policy_is_in_the_list_and_has_a_file_of_its_own():
    files = {module.name for module in pkgutil.iter_modules(policies.__path__)}
    assert [policy.__module__.rpartition(".")[2] for policy in POLICIES] == [
        policy.__name__ for policy in POLICIES
    ]
    assert files == {policy.__name__ for policy in POLICIES}


def test_the_list_is_documented_in_its_order():
    text = (Path(__file__).parents[3] / "docs/operator.md").read_text()
    _, _, section = text.partition("| policy | decides |")
    rows = re.findall(r"(?m)^\| `(\w+)` \|", section.partition("\n\n")[0])
    assert rows == [policy.__name__ for policy in POLICIES]


def test_the_reason_of_every_policy_is_written_down():
    for module in pkgutil.iter_modules(policies.__path__):
        text = __import__(f"{policies.__name__}.{module.name}", fromlist=["_"]).__doc__
        assert "\n\n" in (text or ""), f"{module.name}: what it does, and then why"


def test_the_first_final_decision_ends_the_list_and_what_was_asked_for_before_it_is_kept():
    # Adopted, then stopped: the job is suspended.
    decision = decide(view(record(), child(run=7), suspend=True))
    assert (decision.record.run, decision.record.state, decision.record.ended) == (7, "Suspended", True)
    assert decision.deletes == (DeleteChild("job-7", "u7", "Suspended"),)
    assert decision.create is None


RECORDS = (record(), record(run=1), idle(), running(), idle(state="Suspended"), idle(state="Failed"), idle(state="Done", artifact="a"),
           idle(state="Waiting", artifact="a"), idle(state="Retrying", retry_time=from_seconds(START + 9)))  # fmt: skip
CHILDREN = ((), (child(),), (child(condition="Failed", ended=START),), (child(deleting=START),), (child(run=3),), (child(instance="other"),))  # fmt: skip
PODS = (
    (),
    (pod(),),
    (pod(started=START, deleting=START),),
    (pod(exit=Exit(0, words=DONE), phase="Succeeded"),),
)


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("suspended", [True, False])
@pytest.mark.parametrize("job_failed", [True, False])
def test_every_stage_is_decided_and_nothing_is_begun_that_must_not_be(
    ready: bool, suspended: bool, job_failed: bool
):
    for stage_record, children, pods in itertools.product(RECORDS, CHILDREN, PODS):
        for after in (0, 29, 1000):
            decision = decide(
                view(stage_record, *children, pods=pods, after=after, ready=ready, suspend=suspended, job_failed=job_failed)
            )  # fmt: skip
            assert decision.final
            if not ready or suspended or job_failed:
                assert decision.create is None
            if decision.create:
                assert decision.create.run == decision.record.run > 0
                assert not decision.record.ended


def test_a_view_cannot_be_written_to():
    seen = view(running(), child())
    for target, name in ((seen, "record"), (seen.job, "records"), (seen.job, "now")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(target, name, None)


# adopt


@pytest.mark.parametrize("ended", [False, True])
def test_adopt_takes_up_the_newest_run_that_nobody_wrote_down(ended: bool):
    newest = child(run=5, condition="Failed" if ended else None)
    decision = adopt(view(record(), child(run=3), newest))
    assert decision is not None
    assert not decision.final
    assert (decision.record.run, decision.record.started, bool(decision.record.ended)) == (5, True, ended)


def test_adopt_leaves_what_is_known_and_what_is_of_another_instance():
    assert adopt(view(running(), child(run=2), child(run=1))) is None
    assert adopt(view(record(), child(instance="other"))) is None
    assert adopt(view(record(), child(), ready=False)) is None


# keep


@pytest.mark.parametrize("state", ["Done", "Reused", "Failed"])
def test_keep_ends_the_list_for_what_came_to_an_end(state: str):
    stage_record = idle(state=state)
    decision = keep(view(stage_record))
    assert decision is not None
    assert decision.final
    assert decision.record is stage_record
    assert keep(view(stage_record, ready=False)) is None


def test_keep_takes_a_result_whose_instance_is_meant_again():
    decision = keep(view(idle(artifact="a")))
    assert decision is not None
    assert decision.record.state == "Done"
    assert keep(view(idle())) is None


# settle


@pytest.mark.parametrize(
    ("code", "words", "state", "final"),
    [
        (0, DONE, "Done", True),
        (0, Words("Reused", artifact="a9"), "Reused", True),
        (65, None, "Failed", True),
        (66, None, "Waiting", True),
        (69, None, "Retrying", False),
        (70, None, "Retrying", False),
        (75, None, "Retrying", False),
    ],
)
def test_settle_enters_the_end_of_a_run(code: int, words: Words | None, state: str, final: bool):
    decision = settle(of_ended(code, words))
    assert decision is not None
    assert (decision.record.state, decision.record.ended, decision.final) == (state, True, final)
    assert decision.input_lost is (code == 66)
    assert decision.record.completion_time == from_seconds(START + 5)
    assert (decision.record.failures, decision.record.disruptions) == (
        1 if code == 70 else None,
        1 if code in (69, 75) else None,
    )


def test_settle_gives_up_when_the_budget_is_spent():
    decision = settle(of_ended(70, record=running(failures=1), execution={"maxRetries": 1}))
    assert decision is not None
    assert (decision.record.state, decision.record.failures, decision.final) == ("Failed", 2, True)


def test_settle_gives_up_a_lost_input_after_the_last_resolution():
    decision = settle(of_ended(66, resolutions=3))
    assert decision is not None
    assert (decision.record.state, decision.input_lost) == ("Failed", True)


def test_settle_hands_on_what_prepare_found_in_the_store():
    words = Words("Done", artifact="a", artifacts={"train": "t"})
    decision = settle(of_ended(0, words, stage="prepare"))
    assert decision is not None
    assert decision.stored == {"train": "t"}
    decision = settle(of_ended(0, words))
    assert decision is not None
    assert decision.stored == {}


def test_settle_waits_for_pods_that_were_not_heard():
    decision = settle(view(running(), child(condition="Failed", ended=START + 5), after=10))
    assert decision is not None
    assert decision.record == running()
    assert decision.wakes == (START + 5 + POD_STATUS_GRACE,)


def test_settle_counts_a_job_that_vanished_as_a_disruption():
    decision = settle(view(running()))
    assert decision is not None
    assert (decision.record.reason, decision.record.disruptions) == ("JobVanished", 1)
    assert settle(view(record(run=2, state="Starting"))) is None, "it was decided, and is still to be made"


@pytest.mark.parametrize(("after", "state"), [(119, "Stopping"), (120, "Retrying")])
def test_settle_waits_for_a_job_that_is_being_deleted_unless_its_node_is_lost(after: float, state: str):
    deleting = pod(started=START, deleting=START + 60, phase="Running")
    decision = settle(view(running(), child(deleting=START), pods=(deleting,), after=after))
    assert decision is not None
    assert decision.record.state == state
    assert decision.wakes == ((START + 120,) if state == "Stopping" else ())


def test_settle_leaves_what_goes_on_and_what_is_settled():
    assert settle(view(running(), child())) is None
    assert settle(view(idle())) is None
    assert settle(of_ended(0, DONE, ready=False)) is None


# reuse


def test_reuse_takes_what_prepare_found():
    decision = reuse(view(idle(), stored="t"))
    assert decision is not None
    assert (decision.record.state, decision.record.artifact) == ("Reused", "t")


def test_reuse_leaves_a_run_that_is_at_work_on_it():
    assert reuse(view(running(), child(), stored="t")) is None
    assert reuse(view(idle())) is None
    assert reuse(view(idle(), stored="t", ready=False)) is None


def test_after_stocktaking_what_is_gone_is_to_be_made_again():
    records = {
        "prepare": record(name="prepare", state="Done", artifact="p"),
        "train": record(state="Done", artifact="t"),
        "select": record(name="select"),
        "promote": record(name="promote", state="Done", artifact="m"),
    }
    after, found = after_stocktaking(records, {"select": "s"}, ("prepare", "promote"))
    assert (after["train"].state, after["train"].artifact) == ("Waiting", None)
    assert (after["prepare"], after["promote"]) == (records["prepare"], records["promote"])
    assert found == {"select": "s"}
    assert after_stocktaking(records, {}, ()) == (records, {}), "it says nothing"


# suspend


def test_suspend_stops_what_runs():
    decision = suspend(view(running(), child(), suspend=True))
    assert decision is not None
    assert (decision.record.state, decision.record.ended, decision.record.disruptions) == (
        "Suspended",
        True,
        None,
    )
    assert decision.deletes == (DeleteChild("job-2", "u2", "Suspended"),)


def test_suspend_stops_every_instance_while_it_is_not_known_which_is_meant():
    decision = suspend(view(running(), child(), child(run=9, instance="other"), ready=False, suspend=True))
    assert decision is not None
    assert [delete.name for delete in decision.deletes] == ["job-2", "job-9"]


@pytest.mark.parametrize("stage_record", [record(), idle(state="Retrying", retry_time=from_seconds(START + 9)), record(run=2, state="Starting")])  # fmt: skip
def test_suspend_begins_nothing(stage_record):
    decision = suspend(view(stage_record, suspend=True))
    assert decision is not None
    assert (decision.record.state, decision.record.retry_time, decision.final) == ("Suspended", None, True)
    assert suspend(view(stage_record, ready=False, suspend=True)) is None


def test_suspend_lets_go_of_what_it_stopped():
    decision = suspend(view(idle(state="Suspended", reason="Suspended", message="The job is suspended.")))
    assert decision is not None
    assert (decision.record.state, decision.record.reason, decision.final) == ("Waiting", None, False)
    assert suspend(view(running(), child())) is None


# hold


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({}, False),
        ({"job_failed": True}, True),
        ({"input_lost": True}, True),
        ({"input_lost": True, "stage": "prepare"}, False),
        ({"job_failed": True, "stage": "prepare"}, True),
        ({"ready": False}, True),
    ],
)
def test_hold_begins_nothing_too_early_or_after_a_failure(more: dict[str, object], held: bool):
    decision = hold(view(idle(), **more))  # type: ignore[arg-type]
    assert (decision is not None) is held
    assert hold(view(running(), child(), **more)) is None, "what runs is watched"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"), [("Done", "Waiting"), ("Retrying", "Waiting"), ("Failed", "Failed")]
)
def test_hold_lets_a_stage_wait_for_those_before_it(before: str, after: str):
    decision = hold(view(idle(state=before), ready=False))
    assert decision is not None
    assert decision.record.state == after


# replace


@pytest.mark.parametrize(
    ("settings", "started", "replaced"),
    [("before", None, True), ("before", START, False), ("now", None, False)],
)
def test_replace_stops_a_run_that_waits_with_old_settings(
    settings: str, started: float | None, replaced: bool
):
    decision = replace(view(running(), child(settings=settings), pods=(pod(started=started),)))
    assert (decision is not None) is replaced
    if decision:
        assert (decision.record.state, decision.record.reason) == ("Waiting", "SettingsChanged")
        assert [delete.why for delete in decision.deletes] == ["SettingsChanged"]


def test_replace_asks_nothing_of_a_stage_that_does_not_run():
    assert replace(view(idle(), child(settings="before", condition="Failed"))) is None


# lost


def test_lost_gives_up_a_run_some_time_after_its_grace_period():
    deleting = (pod(started=START, deleting=START + 60, phase="Running"),)
    early = lost(view(running(), child(), pods=deleting, after=119))
    assert early is not None
    assert (early.final, early.wakes, early.deletes) == (False, (START + 120,), ())
    late = lost(view(running(), child(), pods=deleting, after=120))
    assert late is not None
    assert (late.record.reason, late.record.disruptions, late.record.state) == ("NodeLost", 1, "Retrying")
    assert [delete.why for delete in late.deletes] == ["NodeLost"]


def test_lost_leaves_pods_that_are_not_being_deleted():
    assert lost(view(running(), child(), pods=(pod(started=START),), after=1e6)) is None


# deadline


ACTIVE = {"execution": {"activeDeadlineSeconds": 100}}
PENDING = {"execution": {"pendingDeadlineSeconds": 30}}


@pytest.mark.parametrize("stage_record", [running(), idle(), record(run=2, state="Starting")])
def test_deadline_fails_any_stage_when_the_time_of_the_job_is_over(stage_record):
    children = (child(),) if stage_record.state == "Running" else ()
    early = deadline(view(stage_record, *children, pods=(pod(started=START),), after=99, **ACTIVE))
    assert early is not None
    assert (early.final, early.wakes) == (False, (START + 100,))
    late = deadline(view(stage_record, *children, pods=(pod(started=START),), after=100, **ACTIVE))
    assert late is not None
    assert (late.record.state, late.record.reason) == ("Failed", "ActiveDeadlineExceeded")
    assert [delete.name for delete in late.deletes] == [known.name for known in children]


def test_deadline_begins_anew_with_an_edit():
    assert deadline(view(idle(), after=1000, generation=2, **ACTIVE)) is None


def test_deadline_fails_a_run_that_does_not_start():
    early = deadline(view(running(), child(), pods=(pod(),), after=29, **PENDING))
    assert early is not None
    assert (early.final, early.wakes) == (False, (START + 30,))
    late = deadline(view(running(), child(), pods=(pod(),), after=30, **PENDING))
    assert late is not None
    assert (late.record.state, late.record.reason) == ("Failed", "PendingDeadlineExceeded")


def test_deadline_counts_neither_a_queue_nor_a_run_that_has_started():
    assert deadline(view(running(), child(suspended=True), after=1000, **PENDING)) is None
    assert deadline(view(running(), child(), pods=(pod(started=START),), after=1000, **PENDING)) is None
    assert deadline(view(running(), child(), after=1000)) is None


# watch


def test_watch_says_where_a_run_stands():
    progress = {"pod": StageProgress(step=3, total=10), "p2": StageProgress(step=1, total=10)}
    pods = (pod(started=START + 4), pod(name="p2", started=START + 5))
    decision = watch(view(running(state="Starting"), child(), pods=pods, after=9, progress=progress))
    assert decision is not None
    assert (decision.record.state, decision.record.start_time) == ("Running", from_seconds(START + 4))
    assert decision.record.progress == progress["p2"], "of several shards the slowest"


@pytest.mark.parametrize(("after", "reason"), [(29, None), (30, "NoPod")])
def test_watch_tells_after_a_while_that_there_is_no_pod(after: float, reason: str | None):
    decision = watch(view(record(run=2, state="Starting"), child(), after=after))
    assert decision is not None
    assert (decision.record.reason, decision.wakes) == (reason, (START + 30,))


def test_watch_has_nothing_to_say_of_a_stage_that_does_not_run():
    assert watch(view(idle())) is None
    assert watch(view(record(run=2, state="Starting"))) is None


# retry


@pytest.mark.parametrize(("after", "waits"), [(8, True), (9, False)])
def test_retry_waits_until_it_is_time(after: float, waits: bool):
    decision = retry(view(idle(state="Retrying", retry_time=from_seconds(START + 9)), after=after))
    assert (decision is not None) is waits
    if decision:
        assert (decision.record.state, decision.wakes) == ("Retrying", (START + 9,))
    assert retry(view(idle())) is None


# create


def test_create_begins_the_next_run_and_removes_the_job_of_the_last():
    decision = create(view(idle(reason="Error"), child(condition="Failed")))
    assert (decision.record.run, decision.record.state, decision.record.reason) == (3, "Starting", None)
    assert decision.create is not None
    assert (decision.create.run, decision.create.needs) == (3, NEEDS)
    assert [delete.why for delete in decision.deletes] == ["NextRun"]


def test_create_asks_again_for_a_run_that_was_decided():
    decision = create(view(record(run=2, state="Starting")))
    assert (decision.record.run, decision.create and decision.create.run) == (2, 2)


def test_create_waits_for_what_still_runs_or_saves_its_work():
    assert create(view(idle(), child())).create is None
    stopping = create(view(idle(), pods=(pod(deleting=START + 60),)))
    assert (stopping.record.state, stopping.create, stopping.wakes) == ("Stopping", None, (START + 120,))
    assert create(view(idle(), pods=(pod(deleting=START + 60),), after=120)).create is not None
    assert create(view(idle(), pods=(pod(exit=Exit(0)),))).create is not None, "it has ended"
    decided = create(view(record(run=2, state="Starting"), pods=(pod(),)))
    assert (decided.record.state, decided.create, decided.wakes) == ("Starting", None, (NEVER,))


@pytest.mark.parametrize(
    ("refusal", "state", "reason", "asks"),
    [
        (Refusal("i", 2, "Forbidden", "quota", final=False), "Starting", "Forbidden", True),
        (Refusal("i", 2, "Invalid", "no", final=True), "Failed", "Invalid", False),
        (Refusal("i", 1, "Invalid", "no", final=True), "Starting", None, True),
        (Refusal("other", 2, "Invalid", "no", final=True), "Starting", None, True),
    ],
)
def test_create_says_what_the_api_server_refused(
    refusal: Refusal, state: str, reason: str | None, asks: bool
):
    decision = create(view(record(run=2, state="Starting"), refused={"train": refusal}))
    assert (decision.record.state, decision.record.reason, decision.create is not None) == (
        state,
        reason,
        asks,
    )
