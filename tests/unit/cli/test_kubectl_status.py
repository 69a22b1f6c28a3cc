"""`kubectl w2s status` as text, in the states that a job can be in."""

from typing import Any

import pytest
from kubectl_kit import NOON, at, job

from w2s_api.status import Results
from w2s_cli.kubectl.errors import ClusterError, NotThere
from w2s_cli.kubectl.status import figures, next_steps, render
from w2s_cli.kubectl.text import colours, no_colours, paint_for, span, table


def shown(*stages: dict[str, Any], **more: Any) -> str:
    return render(job(*stages, **more), NOON, no_colours)


def test_a_job_in_the_middle():
    progress = {
        "phase": "training",
        "step": 4200,
        "total": 10000,
        "etaSeconds": 700,
        "loss": "0.31",
        "observedTime": at(59.5),
    }
    said = shown(
        {"name": "prepare", "state": "Reused", "run": 1, "startTime": at(0), "completionTime": at(0.5)},
        {
            "name": "train-strong-1",
            "state": "Running",
            "run": 3,
            "failures": 1,
            "disruptions": 1,
            "startTime": at(14),
            "progress": progress,
        },
        {
            "name": "train-strong-2",
            "state": "Starting",
            "run": 1,
            "startTime": at(50),
            "reason": "Unschedulable",
            "message": "no node\x1b[2J has a GPU",
        },
        {"name": "label", "state": "Retrying", "run": 1, "retryTime": at(61), "reason": "OOMKilled"},
        {"name": "evaluate", "state": "Waiting"},
    )
    assert said.splitlines() == [
        "legal/indemnity: Running, 1 of 5 stages, for 1h00m",
        "",
        "STAGE            STATE      PROGRESS                                  ETA              RUN   FAILURES   DISRUPTIONS   TOOK     REASON",
        "prepare          Reused                                                                1                              30s",
        "train-strong-1   Running    training 4,200/10,000 (42 %), loss 0.31   11m10s           3     1          1             46m00s",
        "train-strong-2   Starting                                                              1                              10m00s   Unschedulable",
        "label            Retrying                                             again in 1m00s   1                                       OOMKilled",
        "evaluate         Waiting",
        "",
        "train-strong-2: no node\N{REPLACEMENT CHARACTER}[2J has a GPU",
    ]


FAILED = {"name": "prepare", "state": "Failed", "run": 2, "reason": "BadRow", "message": "clauses.csv:17: no"}


def test_a_failed_job_says_what_to_do_next():
    said = shown(FAILED, complete="False", completionTime=at(1.5))
    assert said.splitlines() == [
        "legal/indemnity: Failed after 1m30s",
        "Stage prepare failed: BadRow.",
        "",
        "STAGE     STATE    RUN   REASON",
        "prepare   Failed   2     BadRow",
        "",
        "prepare: clauses.csv:17: no",
        "",
        "Next: correct what the message names. If that is in the manifest, apply it again; if it is not"
        " (a Secret, data, a quota):",
        "  kubectl w2s retry indemnity -n legal",
        "What the stage said before it failed:",
        "  kubectl w2s logs indemnity prepare -n legal",
        "What is done stays done.",
    ]


def test_a_manifest_that_nothing_can_be_made_of():
    said = shown(
        complete="False", message="spec.x: no such field. Correct the manifest.", completionTime=at(0)
    )
    assert said.splitlines() == [
        "legal/indemnity: Failed after 0s",
        "spec.x: no such field. Correct the manifest.",
        "",
        "Next: correct the manifest and apply it again.",
    ]


def test_a_stage_that_failed_without_a_run_has_no_log():
    assert not any("logs" in line for line in next_steps(job(FAILED | {"run": 0}, complete="False")))


RESULTS = {
    "metric": "MacroF1",
    "weak": "0.71",
    "candidate": "0.79",
    "gain": "0.08",
    "gainLow": "0.05",
    "gainHigh": "0.11",
}


def test_a_complete_job_says_what_it_gained():
    status = {
        "complete": "True",
        "completionTime": at(60),
        "results": RESULTS,
        "modelURI": "s3://legal/model/",
        "reportURI": "s3://legal/report.html",
    }
    found = job({"name": "promote", "state": "Done", "run": 1}, **status)
    promoted = {"type": "Promoted", "status": "True", "reason": "GatePassed", "lastTransitionTime": at(60)}
    found.status.conditions.append(
        type(found.status.conditions[0]).model_validate(promoted | {"message": "The model is published."})
    )
    lines = render(found, NOON, no_colours).splitlines()
    assert lines[0] == "legal/indemnity: Complete in 1h00m"
    assert lines[5:] == [
        "MacroF1 on the gold test: weak labels 0.71, candidate 0.79, gain +0.08"
        " (95 % interval +0.05 to +0.11)",
        "Promoted: The model is published. s3://legal/model/",
        "Report: kubectl w2s report indemnity -n legal   (s3://legal/report.html)",
    ]


def advised(message: str, **status: Any) -> list[str]:
    found = job({"name": "train", "state": "Running", "run": 1}, **status)
    advice = {"type": "Advice", "status": "True", "reason": "FewWeakLabels", "lastTransitionTime": at(60)}
    found.status.conditions.append(
        type(found.status.conditions[0]).model_validate(advice | {"message": message})
    )
    return render(found, NOON, no_colours).splitlines()


def test_advice_is_said_until_there_are_results():
    said = "Advice: The teacher answers\N{REPLACEMENT CHARACTER} 3 of 9 texts."
    assert advised("The teacher answers\x1b 3 of 9 texts.")[-1] == said
    assert not any(line.startswith("Advice") for line in advised(""))
    over = {"complete": "True", "completionTime": at(60), "results": RESULTS}
    assert not any(line.startswith("Advice") for line in advised("The teacher answers 3.", **over))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"weak": "0.5"}, "Results on the gold test: weak labels 0.5"),
        ({"metric": "Accuracy", "gain": "-0.01"}, "Accuracy on the gold test: gain -0.01"),
        (
            {"gain": "-0.0100", "gainLow": "-0.1", "gainHigh": "0.1"},
            "Results on the gold test: gain -0.0100 (95 % interval -0.1 to +0.1)",
        ),
    ],
)
def test_figures_as_far_as_they_are_known(known, said):
    assert figures(Results.model_validate(known)) == said


UNSEEN = {"observedGeneration": -1, "startTime": None}


@pytest.mark.parametrize(
    ("more", "headline", "remark"),
    [
        (UNSEEN, "Pending for 1h00m", "No operator has seen it yet. Does one run, and does it watch namespace legal?"),
        (UNSEEN | {"metadata": {"creationTimestamp": at(59.9)}}, "Pending for 6s", None),
        ({"observedGeneration": 1, "complete": "True"}, "Pending for 1h00m", "No operator has seen the last edit of its spec yet. Does one run, and does it watch namespace legal?"),
        ({"observedGeneration": 1, "metadata": {"managedFields": [{"manager": "kubectl", "time": at(59.9)}]}}, "Pending for 1h00m", None),
        ({"suspended": True, "spec": {"suspend": True}}, "Suspended for 30m00s", "spec.suspend is true. To go on: kubectl w2s resume indemnity -n legal"),
        ({"spec": {"suspend": True}}, "Stopping for 1h00m", "spec.suspend is true. To go on: kubectl w2s resume indemnity -n legal"),
        ({"metadata": {"deletionTimestamp": at(1)}}, "Being deleted for 1h00m", None),
        ({"metadata": {"annotations": {"w2s.dev/hands-off": "true"}}}, "Pending for 1h00m", "The operator leaves it alone: so says its annotation w2s.dev/hands-off, or spec.managedBy."),
    ],
)  # fmt: skip
def test_where_a_job_stands_as_a_whole(more, headline, remark):
    lines = shown(**more).splitlines()
    assert lines[0] == f"legal/indemnity: {headline.replace(' for', ', for')}"
    assert lines[1:] == ([remark] if remark else [])


BEGAN = {"name": "label", "run": 1, "startTime": at(2), "completionTime": at(9)}
UNSEEN = {"name": "select", "run": 1, "completionTime": at(10)}
BARE = [{"name": name, "state": "Done", "run": 1} for name in ("prepare", "label")]
NEVER = {"name": "evaluate", "state": "Reused"}


@pytest.mark.parametrize(
    ("stages", "last"),
    [
        ([UNSEEN, BEGAN, NEVER], "select"),
        ([BEGAN, {**UNSEEN, "completionTime": at(8)}], "label"),
        ([*BARE, NEVER], "label"),
    ],
)
def test_the_stage_that_ran_last_is_known_without_its_beginning_too(stages, last):
    assert job(*stages).stage(None).name == last


def test_where_nothing_has_run_there_is_no_last_stage():
    with pytest.raises(NotThere, match="No stage of indemnity has run yet"):
        job(NEVER).stage(None)


def test_a_status_of_an_unknown_version_is_said_to_be_one():
    with pytest.raises(ClusterError, match="of another version than this command"):
        job({"name": "train", "state": "Dreaming"})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0s"), (0.4, "0s"), (59.6, "1m00s"), (130, "2m10s"), (3720, "1h02m"), (273_600, "3d4h")],
)
def test_spans(seconds, said):
    assert span(seconds) == said


def test_colours_do_not_move_columns():
    rows = [("a", ""), ("bbb", "")]
    plain = table(("X", "EMPTY"), rows, lambda *_: "red", no_colours)
    assert plain == ["X", "a", "bbb"]
    assert table(("X", "EMPTY"), rows, lambda *_: "red", colours)[1] == "\x1b[31ma  \x1b[0m"


@pytest.mark.parametrize(
    ("terminal", "environment", "wanted"),
    [
        (True, {}, colours),
        (False, {}, no_colours),
        (True, {"NO_COLOR": "1"}, no_colours),
        (True, {"TERM": "dumb"}, no_colours),
    ],
)
def test_colours_on_a_terminal_only(terminal, environment, wanted):
    class Stream:
        def isatty(self) -> bool:
            return terminal

    assert paint_for(Stream(), environment) is wanted  # type: ignore[arg-type]
