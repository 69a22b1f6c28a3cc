"""Whatever kills a run, what was finished is kept and nothing lingers."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest


def started(process: subprocess.Popen, stage: str) -> None:
    """Reads the run's lines until a stage has started; the pipe ends if the run does."""
    assert process.stdout is not None
    for line in process.stdout:
        plain = json.loads(line)
        if plain["stage"] == stage and plain["event"] == "started":
            return
    pytest.fail(f"{stage} was never started")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except FileNotFoundError:
        return True


def within(seconds: float, condition) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def begin(workplace) -> subprocess.Popen:
    return subprocess.Popen(
        workplace.command(),
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_hand_and_run_again(workplace, how):
    run = begin(workplace)
    started(run, "train")
    run.send_signal(how)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 128 + how
    assert "Run it again" in stderr

    again = workplace.run()
    assert again.returncode == 0, again.stderr
    assert "train" in workplace.worked
    assert not {"prepare", "label-rules", "aggregate", "select"} & set(workplace.worked)


def test_a_killed_driver_leaves_no_stage_behind(workplace):
    run = begin(workplace)
    started(run, "train")
    stages = children(run.pid)
    assert stages
    run.kill()
    run.communicate(timeout=30)
    assert within(20, lambda: all(is_gone(pid) for pid in stages))
    assert workplace.run().returncode == 0
    assert "label-rules" not in workplace.worked


def test_a_killed_stage_is_tried_again(workplace):
    run = begin(workplace)
    started(run, "label-rules")
    for pid in children(run.pid):
        os.kill(pid, signal.SIGKILL)
    stdout, stderr = run.communicate(timeout=240)
    assert run.returncode == 0, stderr
    failed = [
        line
        for line in map(json.loads, (x for x in stdout.splitlines() if x.startswith("{")))
        if line["event"] == "failed"
    ]
    assert [line["stage"] for line in failed] == ["label-rules"]
    assert "SIGKILL" in failed[0]["message"]
