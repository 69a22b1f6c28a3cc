"""The driver's rules on real processes: order, budget, retries, stopping, and nothing left behind."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from w2s_local_kit import DRIVE, eventually, is_alive

LABELS = ["label-a-0", "label-a-1", "label-b"]
AFTER = ["aggregate", "select", "train", "combine", "evaluate", "promote"]


def said(lines, event):
    return [line["stage"] for line in lines if line["event"] == event]


def test_every_stage_runs_once_and_gets_the_artifacts_it_needs(theatre):
    code, lines, stderr = theatre.run()
    assert (code, stderr) == (0, "")
    started = theatre.started()
    assert started[0] == "prepare"
    assert sorted(started[1:4]) == LABELS
    assert started[4:] == AFTER
    needs = ("train", "combine", "label-a", "label-b", "evaluate")
    assert theatre.log("start")[-1]["needs"] == {name: f"artifact-{name}" for name in needs}
    assert sorted(said(lines, "done")) == sorted(started)
    progress = next(line for line in lines if line["event"] == "progress")
    assert (progress["stage"], progress["step"], progress["total"]) == ("prepare", 1, 4)


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_no_more_than_the_budget_run_at_once_and_they_share_the_cores(theatre, parallel, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    theatre.parallel = parallel
    theatre.script = {name: ["hold"] for name in LABELS}
    theatre.begin()
    # The label stages hold, so that no slot is free before they are let go.
    eventually(lambda: len(theatre.started()) == 1 + parallel)
    theatre.release()
    code, _, _ = theatre.end()
    assert code == 0

    running, most = 0, 0
    for line in map(json.loads, (theatre.home / "log").read_text().splitlines()):
        running += {"start": 1, "end": -1}.get(line["event"], 0)
        most = max(most, running)
    assert most == parallel
    cores = len(os.sched_getaffinity(0))
    threads = {line["run"]: line["threads"] for line in theatre.log("start")}
    assert threads["prepare"] == {
        "OMP_NUM_THREADS": str(cores),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    first = [threads[name]["OMP_NUM_THREADS"] for name in LABELS[:parallel]]
    assert first == [str(max(1, cores // parallel))] * parallel


def test_no_stage_gets_more_threads_than_its_user_allows(theatre, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    theatre.parallel = 1
    code, _, _ = theatre.run()
    assert code == 0
    assert {line["threads"]["OMP_NUM_THREADS"] for line in theatre.log("start")} == {"1"}


def test_complete_artifacts_are_reused_without_a_process_but_the_pointers_are_put_in_place(theatre):
    names = ["label-a", "label-b", *AFTER]
    theatre.artifacts = {"prepare": "artifact-prepare"} | {name: f"known-{name}" for name in names}
    code, lines, _ = theatre.run()
    assert code == 0
    assert theatre.started() == ["prepare", "evaluate", "promote"]
    assert set(said(lines, "reused")) == {*LABELS, "aggregate", "select", "train", "combine"}
    assert theatre.log("start")[1]["needs"]["train"] == "known-train"


@pytest.mark.parametrize("how", ["kill", "exit:70", "exit:69", "exit:75", "crash", "silent", "orphan"])
def test_a_run_that_no_person_can_mend_is_tried_again(theatre, how):
    theatre.script = {"label-b": [how, how]}
    code, lines, _ = theatre.run()
    assert code == 0
    assert theatre.started().count("label-b") == 3
    assert said(lines, "failed") == ["label-b", "label-b"]
    assert not [line["child"] for line in theatre.log("child") if is_alive(line["child"])]


def test_what_a_process_without_last_words_said_is_shown_and_only_the_end_of_it(theatre):
    theatre.script = {"select": ["crash", "exit:70"]}
    _, lines, _ = theatre.run()
    crashed, explained = (line for line in lines if line["event"] == "failed")
    assert crashed["stderr"] == [f"line {number}" for number in range(10, 30)]
    assert crashed["message"] == "ended with code 1 and without last words: line 29"
    assert explained["message"] == "the pool has no texts. Check the prefix."
    assert "stderr" not in explained


@pytest.mark.parametrize("code", [64, 65, 77])
def test_what_a_person_must_mend_ends_the_job_at_once(theatre, code):
    theatre.parallel = 3
    theatre.script = {"label-a-0": ["hold"], "label-a-1": ["hold"], "label-b": [f"exit-last:{code}"]}
    ended, lines, stderr = theatre.run()
    assert ended == code
    assert stderr == (
        "label-b: the pool has no texts. Check the prefix. Correct it, then run it again."
        " Finished and kept: prepare."
    )
    assert said(lines, "failed") == ["label-b"]
    assert set(said(lines, "stopped")) == {"label-a-0", "label-a-1"}
    assert set(theatre.started()) == {"prepare", *LABELS}


def test_after_too_many_tries_what_runs_may_finish_and_nothing_else_starts(theatre):
    theatre.script = {"label-a-0": ["hold"], "label-a-1": ["hold"], "label-b": ["kill"] * 9}
    theatre.parallel = 3
    theatre.begin()
    eventually(lambda: theatre.started().count("label-b") == 3)
    theatre.release()
    code, lines, stderr = theatre.end()
    assert code == 70
    assert "label-b: killed by SIGKILL" in stderr
    assert stderr.endswith("Run it again to go on. Finished and kept: prepare, label-a.")
    assert {"label-a-0", "label-a-1"} <= set(said(lines, "done"))
    assert "aggregate" not in theatre.started()


@pytest.mark.parametrize("shards_see_it", [["label-b"], LABELS])
def test_a_lost_input_resolves_the_plan_again(theatre, shards_see_it):
    theatre.parallel = 3
    theatre.script = {name: ["exit:66"] for name in shards_see_it}
    code, _, _ = theatre.run()
    assert code == 0
    # One loss, however many saw it; a run that began before it may see it once more.
    assert theatre.started().count("prepare") in (2, 3)
    assert all(theatre.started().count(name) >= 2 for name in shards_see_it)


def test_an_input_that_is_lost_again_and_again_ends_the_job(theatre):
    theatre.script = {"select": ["exit:66"] * 9}
    code, _, stderr = theatre.run()
    assert code == 66
    assert theatre.started().count("prepare") == 3
    assert stderr.startswith("select: ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_asks_the_stages_and_says_how_to_go_on(theatre, how):
    theatre.script = {"label-a-0": ["hold"], "label-a-1": ["hold"]}
    driver = theatre.begin()
    pids = theatre.wait_for("label-a-0", "label-a-1")
    driver.send_signal(how)
    code, lines, stderr = theatre.end()
    assert code == 128 + how
    assert stderr == "Stopped. Run it again to continue."
    assert set(said(lines, "stopped")) == {"label-a-0", "label-a-1"}
    assert [line["code"] for line in theatre.log("end") if line["run"] in LABELS] == [75, 75]
    assert not any(map(is_alive, pids))


def test_a_stage_that_does_not_listen_is_killed_when_the_grace_is_over(theatre):
    theatre.script = {"prepare": ["stubborn"]}
    theatre.grace = 0.2
    driver = theatre.begin()
    eventually(lambda: theatre.log("deaf"))
    (pid,) = theatre.wait_for("prepare")
    driver.send_signal(signal.SIGINT)
    code, _, _ = theatre.end()
    assert code == 130
    assert not is_alive(pid)


def test_asking_twice_does_not_wait_for_the_grace(theatre):
    theatre.script = {"prepare": ["stubborn"]}
    theatre.grace = 3600
    driver = theatre.begin()
    eventually(lambda: theatre.log("deaf"))
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGTERM)  # another signal, so that the two cannot become one on the way
    code, lines, stderr = theatre.end()
    assert code in (130, 143)
    assert said(lines, "stopped") == ["prepare"]
    assert stderr == "Stopped. Run it again to continue."


def test_a_killed_driver_leaves_no_stage_behind(theatre):
    theatre.script = {"label-a-0": ["stubborn"], "label-a-1": ["hold"]}
    driver = theatre.begin()
    pids = theatre.wait_for("label-a-0", "label-a-1")
    driver.kill()
    eventually(lambda: not any(map(is_alive, pids)))


def test_changed_data_are_told_from_an_edit(theatre):
    first, second = (theatre.run() for _ in range(2))
    assert said(first[1], "changed") == said(second[1], "changed") == []
    theatre.script = {"prepare": ["done", "done", "done:other-data"]}
    code, lines, _ = theatre.run()
    assert code == 0
    (changed,) = (line for line in lines if line["event"] == "changed")
    assert changed["stage"] == "prepare"
    assert changed["message"].startswith("the data changed behind s3://")


def test_nothing_changed_is_said(theatre):
    theatre.run()
    names = ["prepare", "label-a", "label-b", *AFTER]
    theatre.artifacts = {name: f"artifact-{name}" for name in names}
    _, lines, _ = theatre.run()
    (unchanged,) = (line for line in lines if line["event"] == "unchanged")
    assert unchanged["stage"] == "job"
    assert "everything is reused" in unchanged["message"]


def test_not_on_a_terminal_every_line_is_json_without_colours(theatre):
    theatre.script = {"label-b": ["kill"]}
    theatre.begin()
    stdout, _ = theatre.driver.communicate(timeout=180)
    assert "\x1b" not in stdout
    for line in map(json.loads, stdout.splitlines()):
        assert {"time", "stage", "event"} <= line.keys()


def test_on_a_terminal_there_are_bars_and_a_line_for_what_is_done(theatre):
    theatre.script = {"prepare": ["hold"], "label-b": ["kill"]}
    theatre.artifacts = {"prepare": "artifact-prepare", "label-a": "known"}
    ours, theirs = pty.openpty()
    terminal = {**theatre.environment, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    driver = theatre.driver = subprocess.Popen(
        DRIVE, env=terminal, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    seen, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                seen += os.read(ours, 1 << 16).decode(errors="replace")
            except OSError:  # the other side is closed
                break
            if re.search(
                r"prepare\s+working\s.*━.*1/4.*3 s left", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
            ):
                Path(theatre.home / "release").touch()  # only now: the bar was drawn
    os.close(ours)
    driver.communicate(timeout=90)
    assert driver.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert re.search(r"✓ prepare +\d+\.\d s  done: rows 3", plain)
    assert re.search(r"= label-a-0 +reused", plain)
    assert re.search(r"✗ label-b +\d+\.\d s  failed: killed by SIGKILL", plain)
    assert re.search(r"✓ label-b +\d+\.\d s  done", plain)
    assert "{" not in plain
