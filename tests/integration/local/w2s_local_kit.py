"""The local driver on stages that do nothing but end in every possible way."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DRIVE = [sys.executable, str(Path(__file__).with_name("drive.py"))]


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What the condition gives as soon as it is true; fails when that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@dataclass
class Theatre:
    """A manifest, a script for its stages, and what came of it."""

    home: Path
    spec: dict[str, Any]
    script: dict[str, list[str]] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    """What `prepare` says is complete."""
    parallel: int = 2
    grace: float = 30.0
    driver: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        job = {
            "apiVersion": "w2s.dev/v1alpha1",
            "kind": "WeakToStrongJob",
            "metadata": {"name": "play"},
            "spec": self.spec,
        }
        return {
            **os.environ,
            "FAKE_DIR": str(self.home),
            "FAKE_JOB": json.dumps(job),
            "FAKE_SCRIPT": json.dumps(self.script),
            "FAKE_ARTIFACTS": json.dumps(self.artifacts),
            "FAKE_PARALLEL": str(self.parallel),
            "FAKE_GRACE": str(self.grace),
        }

    def begin(self) -> subprocess.Popen[str]:
        self.driver = subprocess.Popen(
            DRIVE,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.driver

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, the lines it printed, its standard error."""
        assert self.driver is not None
        stdout, stderr = self.driver.communicate(timeout=180)
        return self.driver.returncode, [json.loads(line) for line in stdout.splitlines()], stderr

    def run(self) -> tuple[int, list[dict[str, Any]], str]:
        self.begin()
        return self.end()

    def log(self, event: str) -> list[dict[str, Any]]:
        """What the stages wrote down."""
        path = self.home / "log"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["event"] == event]

    def started(self) -> list[str]:
        return [line["run"] for line in self.log("start")]

    def wait_for(self, *runs: str) -> list[int]:
        """Process ids of runs, once all of them have started."""
        eventually(lambda: set(runs) <= set(self.started()))
        return [line["pid"] for line in self.log("start") if line["run"] in runs]

    def release(self) -> None:
        (self.home / "release").touch()
