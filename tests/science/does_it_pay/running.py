"""Runs jobs of the study through `w2s run`, in one store, and keeps a record of each that has ended."""

import json
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import yaml

from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects

from .cells import Cell
from .job_process import JobProcess
from .known_beforehand import known_beforehand
from .manifest import BUCKET, job_name

PUBLISHED = ("candidate.json", "model.json")


@dataclass
class Runner:
    """Where jobs are run."""

    state: Path
    server: EmbeddedStore
    stopping: threading.Event
    commit: str
    idle: SimpleQueue[JobProcess] = field(default_factory=SimpleQueue)
    """Processes that wait for a job."""

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
        words = ["run", str(path), "--parallel", "1", "--output", str(work / "output")]
        began = time.monotonic()
        process = self._idle()
        ended = process.run(words, work / "log", self.server.environment(), self.stopping)
        self.idle.put(process)
        if ended is None or self.stopping.is_set():
            return None
        seconds = {"clock": round(time.monotonic() - began, 1), "processor": round(ended.processor, 1)}
        record = {"cell": str(cell), "commit": self.commit, "seconds": seconds}
        if ended.code:
            tail = (work / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return {**record, "failed": {"code": ended.code, "message": " ".join(tail)[:600]}}
        results = json.loads((work / "output/results.json").read_text(encoding="utf-8"))
        known = self._look(cell, results, work)
        shutil.rmtree(work, ignore_errors=True)
        return {**record, "known": known, "results": results}

    def close(self) -> None:
        """Ends the processes; none runs a job."""
        while (process := self._waiting()) is not None:
            process.close()

    def _idle(self) -> JobProcess:
        return self._waiting() or JobProcess()

    def _waiting(self) -> JobProcess | None:
        try:
            return self.idle.get_nowait()
        except Empty:
            return None

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
