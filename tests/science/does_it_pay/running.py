"""Runs jobs of the study through `w2s run`, in one store, and keeps a record of each that has ended."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects

from .cells import Cell
from .known_beforehand import known_beforehand
from .manifest import BUCKET, job_name

STOPPED = (130, 143, -2, -9, -15)
PUBLISHED = ("candidate.json", "model.json")


@dataclass
class Runner:
    """Where jobs are run."""

    state: Path
    server: EmbeddedStore
    stopping: threading.Event
    commit: str

    def run(self, cell: Cell, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """Runs a job to its end.

        Returns:
            What is kept of it; None, if it was stopped. A job that failed has `failed` in place of results.
        """
        work = self.state / "work" / str(cell)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path = work / "job.yaml"
        path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-m", "w2s_cli.main", "run", str(path), "--parallel", "1"]
        environment = {**os.environ, **self.server.environment()}
        began, used = time.monotonic(), sum(os.times()[2:4])
        with (work / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--output", str(work / "output")],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self._wait(process)
        seconds = {
            "clock": round(time.monotonic() - began, 1),
            "processor": round(sum(os.times()[2:4]) - used, 1),
        }
        if process.returncode in STOPPED or self.stopping.is_set():
            return None
        record = {"cell": str(cell), "commit": self.commit, "seconds": seconds}
        if process.returncode:
            tail = (work / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return {**record, "failed": {"code": process.returncode, "message": " ".join(tail)[:600]}}
        results = json.loads((work / "output/results.json").read_text(encoding="utf-8"))
        known = self._look(cell, results, work)
        shutil.rmtree(work, ignore_errors=True)
        return {**record, "known": known, "results": results}

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Until it ends. Asked to stop, it is given half a minute to save what it has."""
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            if self.stopping.is_set() and process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _look(self, cell: Cell, results: dict[str, Any], work: Path) -> dict[str, Any]:
        """What was known beforehand; then the model that was published is removed, which is most of what is kept."""
        uri = f"s3://{BUCKET}/w2s"
        objects = Objects(self.server.settings(uri))
        store = ArtifactStore(objects, uri)
        known = known_beforehand(store, results, cell.budget, work)
        models = [info.uri for info in objects.list(store.uri + "/artifacts/promote/")]
        pointers = [store.job_uri("default", job_name(cell), name) for name in PUBLISHED]
        objects.delete([*models, *pointers])
        return known
