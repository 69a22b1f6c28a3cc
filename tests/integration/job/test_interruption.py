"""Whatever kills a run, what was finished is kept and nothing lingers."""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from killing_kit import begin, stages_of, until_started


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


def test_a_stage_is_killed_then_the_run_is_stopped_and_killed_and_what_was_finished_is_kept(workplace):
    workplace.edit(lambda spec: spec.update(promotion={"mustBeat": ["Weak"], "minLowerBound": "0.9"}))
    run = begin(workplace)
    until_started(run, "label-rules")
    for pid in children(run.pid):
        os.kill(pid, signal.SIGKILL)
    lines = until_started(run, "train")
    (failed,) = (line for line in lines if line["event"] == "failed")
    assert failed["stage"] == "label-rules"
    assert "SIGKILL" in failed["message"]
    assert "label-rules" in stages_of(lines, "done")

    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        stages = children(run.pid)
        assert stages
        run.send_signal(how)
        _, stderr = run.communicate(timeout=180)
        if how == signal.SIGKILL:
            assert run.returncode == -how
        else:
            assert run.returncode == 128 + how
            assert "Run it again" in stderr
        assert within(20, lambda stages=stages: all(is_gone(pid) for pid in stages))
        run = begin(workplace)
        assert stages_of(until_started(run, "train"), "started") == ["prepare", "train"]

    stdout, stderr = run.communicate(timeout=720)
    assert run.returncode == 0, stderr
    assert (
        stages_of([json.loads(x) for x in stdout.splitlines() if x.startswith("{")], "done")[-1] == "promote"
    )
