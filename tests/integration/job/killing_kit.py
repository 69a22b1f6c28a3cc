"""Runs of a job that a test ends before their end."""

import json
import subprocess

import pytest


def until_started(process: subprocess.Popen, stage: str) -> list[dict]:
    """The run's lines until a stage has started; the pipe ends if the run does."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if (lines[-1]["stage"], lines[-1]["event"]) == (stage, "started"):
            return lines
    pytest.fail(f"{stage} was never started")


def stages_of(lines: list[dict], event: str) -> list[str]:
    return [line["stage"] for line in lines if line["event"] == event]


def begin(workplace) -> subprocess.Popen:
    return subprocess.Popen(
        workplace.command(),
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
