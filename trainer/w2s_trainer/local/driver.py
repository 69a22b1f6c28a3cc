"""Drives a job on this machine: resolve, start what can start, listen, write down what was done."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_api.pipeline import pipeline
from w2s_api.spec import WeakToStrongJob
from w2s_trainer.contract.credentials import storage_settings
from w2s_trainer.contract.job import StageJob
from w2s_trainer.local.changes import as_plan, changes
from w2s_trainer.local.display import Display
from w2s_trainer.local.plan import (
    MAX_LOST_INPUTS,
    Run,
    State,
    Verdict,
    after_exit,
    done_stages,
    first_runs,
    startable,
    with_artifacts,
)
from w2s_trainer.local.processes import Ended, StageProcess
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.objects import NoSuchObject, Objects
from w2s_trainer.store.settings import Patience

GRACE_SECONDS = 30.0
PLAN = "plan.json"


@dataclass(frozen=True)
class Options:
    """How a job is run here."""

    parallel: int
    """Processes at once."""
    cache: Path
    credentials_dir: Path | None = None
    denied_seconds: float = 0.0
    unavailable_seconds: float = 60.0
    command: tuple[str, ...] = (sys.executable, "-m", "w2s_cli.main", "stage")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    code: int
    message: str = ""
    """One line for the person who must act; empty if nothing is to be done."""


def open_store(job: WeakToStrongJob, options: Options, directory: Path) -> ArtifactStore:
    """The job's store."""
    settings = storage_settings(job.spec.storage, options.credentials_dir, directory)
    patience = Patience(options.denied_seconds, options.unavailable_seconds)
    return ArtifactStore(Objects(settings, patience), settings.uri)


def what_changed(job: WeakToStrongJob, store: ArtifactStore) -> dict[str, str] | None:
    """Why stages are another computation than when this job was last run; None if it never was."""
    place = store.job_uri(job.metadata.namespace, job.metadata.name, PLAN)
    try:
        before = json.loads(store.objects.read(place))
    except NoSuchObject:
        return None
    return changes(before, pipeline(job.spec))


async def drive(job: WeakToStrongJob, options: Options, display: Display) -> Outcome:
    """Runs a job to its end, or to the first failure that a person must act on."""
    with tempfile.TemporaryDirectory(prefix="w2s-run-") as name:
        directory = Path(name)
        store = open_store(job, options, directory)
        for stage, why in (what_changed(job, store) or {}).items():
            display.event(stage, "changed", why)
        place = store.job_uri(job.metadata.namespace, job.metadata.name, PLAN)
        store.objects.write(place, json.dumps(as_plan(pipeline(job.spec))).encode())
        return await _Driver(job, options, display, directory).run()


class _Driver:
    def __init__(self, job: WeakToStrongJob, options: Options, display: Display, directory: Path) -> None:
        self._job = job
        self._options = options
        self._display = display
        self._directory = directory
        self._stages = pipeline(job.spec)
        self._runs: dict[str, Run] = first_runs(self._stages)
        self._artifacts: dict[str, str] = {}
        self._running: dict[asyncio.Task[Ended], str] = {}
        self._processes: dict[str, StageProcess] = {}
        self._stopped_by: signal.Signals | None = None
        self._lost_inputs = 0

    async def run(self) -> Outcome:
        """Until everything is done, something has failed for good, or somebody stops it."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self._stop, name)
        try:
            while len(done_stages(self._runs)) < len(self._stages):
                await self._start_what_can()
                failed = await self._next_exit()
                if self._stopped_by is not None:
                    await self._end_all()
                    return Outcome(128 + self._stopped_by, "Stopped. Run it again to continue.")
                if failed:
                    await self._end_all()
                    return failed
            return Outcome(ExitCode.DONE)
        finally:
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(name)
            await self._end_all()

    async def _start_what_can(self) -> None:
        names = startable(self._runs, self._options.parallel, time.monotonic())
        threads = max(1, (os.cpu_count() or 1) // max(1, len(names) + len(self._running)))
        for name in names:
            run = self._runs[name]
            last_words = self._directory / f"{name}.words"
            process = await StageProcess.start(
                self._command(run, last_words), self._environment(threads), last_words
            )
            self._processes[name] = process
            self._runs[name] = replace(run, state=State.RUNNING)
            task = asyncio.create_task(process.wait(partial(self._display.progress, name)))
            self._running[task] = name
            self._display.event(name, "started")

    def _command(self, run: Run, last_words: Path) -> list[str]:
        job = StageJob(
            namespace=self._job.metadata.namespace,
            name=self._job.metadata.name,
            spec=self._job.spec,
            stage=run.stage,
            key=run.stage.key,
            needs={need: self._artifacts[need] for need in run.stage.needs},
            denied_seconds=self._options.denied_seconds,
            unavailable_seconds=self._options.unavailable_seconds,
        )
        file = self._directory / f"{run.stage.name}.json"
        file.write_text(json.dumps(job.to_json()))
        options = ["--job", str(file), "--last-words", str(last_words), "--cache", str(self._options.cache)]
        options += ["--scratch", str(self._directory)]
        if run.stage.shards > 1:
            options += ["--shard", f"{run.shard}/{run.stage.shards}"]
        if self._options.credentials_dir:
            options += ["--credentials-dir", str(self._options.credentials_dir)]
        return [*self._options.command, run.stage.name, *options]

    def _environment(self, threads: int) -> dict[str, str]:
        return {
            **self._options.environment,
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }

    async def _next_exit(self) -> Outcome | None:
        waits = [run.not_before for run in self._runs.values() if run.state is State.WAITING]
        pause = max(0.05, min(waits, default=0.0) - time.monotonic()) if not self._running else None
        if pause is not None:
            await asyncio.sleep(pause)  # nothing runs: the next thing to happen is a retry
            return None
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if failed := self._after(self._running.pop(task), task.result()):
                return failed
        return None

    def _after(self, name: str, ended: Ended) -> Outcome | None:
        self._processes.pop(name)
        run, verdict = after_exit(self._runs[name], ended.code, time.monotonic())
        self._runs[name] = run
        if self._stopped_by is not None:
            self._display.event(name, "stopped")
            return None
        if run.state is State.DONE:
            self._note_done(run, ended)
            return None
        self._display.event(name, "failed", ended.explanation)
        if verdict is Verdict.RESOLVE and self._lost_inputs < MAX_LOST_INPUTS:
            self._lost_inputs += 1
            self._runs = first_runs(self._stages) | {
                n: r for n, r in self._runs.items() if r.state is State.RUNNING
            }
            return None
        if verdict is Verdict.GO_ON:
            return None
        code = ended.code if ended.code > 0 else ExitCode.OWN_FAULT
        kept = ", ".join(sorted(done_stages(self._runs))) or "nothing yet"
        return Outcome(
            code, f"{name}: {ended.explanation}\nFinished and kept: {kept}. Run it again to go on from there."
        )

    def _note_done(self, run: Run, ended: Ended) -> None:
        words = ended.words
        reused = words is not None and words.outcome == "Reused"
        if words and words.artifact:
            self._artifacts[run.stage.name] = words.artifact
        figures = ", ".join(f"{k} {_shown(v)}" for k, v in (words.figures if words else {}).items())
        self._display.event(run.name, "reused" if reused else "done", figures)
        if words and run.stage.kind == "prepare":
            self._artifacts |= words.artifacts
            # The last two put the job's own pointers in place, which another job's artifact cannot do.
            reusable = {
                n: key for n, key in words.artifacts.items() if self._kind(n) not in ("evaluate", "promote")
            }
            before = self._runs
            self._runs = with_artifacts(self._runs, reusable)
            for name, now in self._runs.items():
                if now.state is State.REUSED and before[name].state is State.WAITING:
                    self._display.event(name, "reused")

    def _kind(self, name: str) -> str:
        return next(stage.kind for stage in self._stages if stage.name == name)

    def _stop(self, how: signal.Signals) -> None:
        self._stopped_by = how
        for process in self._processes.values():
            process.stop()

    async def _end_all(self) -> None:
        """Asks what still runs to stop, and insists when the grace is over."""
        for process in self._processes.values():
            process.stop()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=GRACE_SECONDS)
            if late:
                for process in self._processes.values():
                    process.stop(signal.SIGKILL)
                await asyncio.wait(late)
        self._running.clear()
        self._processes.clear()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)
