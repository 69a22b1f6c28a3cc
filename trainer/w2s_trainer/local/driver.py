"""Drives a job on this machine: resolve, start what can start, listen, write down what was done."""

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from w2s_api.exit_codes import FINAL, ExitCode
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_trainer.contract.functions_dir import FUNCTIONS_DIR
from w2s_trainer.contract.job import StageJob
from w2s_trainer.contract.machine import cores
from w2s_trainer.local.changes import Plan, as_plan, changes, reads_changed
from w2s_trainer.local.display import JOB, Display
from w2s_trainer.local.fork_server import ForkServer, can_fork
from w2s_trainer.local.job_store import JobStore
from w2s_trainer.local.options import Options
from w2s_trainer.local.plan import (
    MAX_LOST_INPUTS,
    Run,
    State,
    Verdict,
    after_exit,
    done_stages,
    first_runs,
    is_resolving,
    next_retry,
    resolved_again,
    startable,
    with_artifacts,
)
from w2s_trainer.local.processes import Ended, StageProcess


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    code: int
    message: str = ""
    """One line for the person who must act; empty if nothing is to be done."""


def drive(job: WeakToStrongJob, options: Options, display: Display) -> Outcome:
    """Runs a job to its end, or to the first failure that a person must act on."""
    stages = pipeline(job.spec)
    with tempfile.TemporaryDirectory(prefix="w2s-run-") as name:
        directory = Path(name)
        store = JobStore(job, options, directory)
        before = store.read_plan()
        for stage, why in changes(before, stages).items() if before else ():
            display.event(stage, "changed", why)
        return asyncio.run(run_stages(job, options, display, directory, before, store.keep_plan))


async def run_stages(
    job: WeakToStrongJob,
    options: Options,
    display: Display,
    directory: Path,
    before: Plan | None = None,
    keep_plan: Callable[[Plan], None] = lambda _plan: None,
) -> Outcome:
    """Runs the stages of a job as processes.

    Args:
        job: the manifest.
        options: how.
        display: shows what happens.
        directory: for job files, last words and the scratch of the stages.
        before: the plan of the job's last run, if there was one.
        keep_plan: is given this plan once `prepare` has resolved it, and again at the end.
    """
    return await _Driver(job, options, display, directory, before, keep_plan).run()


class _Driver:
    def __init__(
        self,
        job: WeakToStrongJob,
        options: Options,
        display: Display,
        directory: Path,
        before: Plan | None,
        keep_plan: Callable[[Plan], None],
    ) -> None:
        self._job = job
        self._options = options
        self._display = display
        self._directory = directory
        self._before = before
        self._keep_plan = keep_plan
        self._stages = pipeline(job.spec)
        environment = self._environment(1)
        self._server = ForkServer(environment) if can_fork(options.command, environment) else None
        self._runs: dict[str, Run] = first_runs(self._stages)
        self._artifacts: dict[str, str] = {}
        self._running: dict[asyncio.Task[Ended], str] = {}
        self._processes: dict[str, StageProcess] = {}
        self._lost_inputs = 0
        self._failed: Outcome | None = None
        self._stopping = False
        self._interrupt: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    async def run(self) -> Outcome:
        """Until everything is done, something has failed for good, or somebody stops it."""
        with self._signals_heard():
            try:
                while not self._is_over():
                    self._start_what_can()
                    await self._listen()
            finally:
                await self._stop_the_rest()
                if self._server:
                    self._server.close()
        if self._interrupt.done():
            return Outcome(128 + self._interrupt.result(), "Stopped. Run it again to continue.")
        if self._failed:
            kept = ", ".join(name for name in self._names() if name in done_stages(self._runs))
            return replace(
                self._failed, message=f"{self._failed.message} Finished and kept: {kept or 'nothing yet'}."
            )
        await self._keep()
        return Outcome(ExitCode.DONE)

    def _is_over(self) -> bool:
        if self._interrupt.done() or self._stopping:
            return True
        if self._failed:
            return not self._running
        return done_stages(self._runs) == set(self._names())

    def _start_what_can(self) -> None:
        names = [] if self._failed else startable(self._runs, self._options.parallel, time.monotonic())
        threads = max(1, cores() // max(1, len(names) + len(self._running)))
        asked = self._options.environment.get("OMP_NUM_THREADS", "")
        threads = min(threads, int(asked)) if asked.isdigit() and int(asked) else threads
        for name in names:
            run = self._runs[name]
            last_words = self._directory / f"{name}.words"
            process = StageProcess.start(
                self._command(run, last_words),
                self._environment(threads),
                last_words,
                partial(self._display.event, name, "started"),
                partial(self._display.progress, name),
                self._server,
                models=self._loads_model(run),
            )
            self._processes[name] = process
            self._running[asyncio.create_task(process.wait())] = name
            self._runs[name] = replace(run, state=State.RUNNING)

    def _loads_model(self, run: Run) -> bool:
        """Tells whether the run's process will load a model: not if its artifact is there, nor if others do it for it."""
        stage = run.stage
        is_shared = stage.processes == "PerGPU" and (self._options.processes or 0) > 1
        return stage.model is not None and stage.name not in self._artifacts and not is_shared

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
        file = self._directory / f"{run.name}.json"
        file.write_text(json.dumps(job.to_json()))
        options = ["--job", str(file), "--last-words", str(last_words), "--cache", str(self._options.cache)]
        options += ["--scratch", str(self._directory)]
        if run.stage.shards > 1:
            options += ["--shard", f"{run.shard}/{run.stage.shards}"]
        if run.stage.processes == "PerGPU" and self._options.processes:
            options += ["--processes", str(self._options.processes)]
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
            **({FUNCTIONS_DIR: str(self._options.functions_dir)} if self._options.functions_dir else {}),
        }

    async def _listen(self) -> None:
        """Until a process ends, a retry is due, or somebody interrupts."""
        retry = None if self._failed else next_retry(self._runs, time.monotonic())
        awaited: set[asyncio.Future[Any]] = {*self._running, self._interrupt}
        ended, _ = await asyncio.wait(awaited, timeout=retry, return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in self._running if task in ended]:
            await self._after_end(self._take(task), task.result())

    def _take(self, task: asyncio.Task[Ended]) -> str:
        name = self._running.pop(task)
        del self._processes[name]
        return name

    async def _after_end(self, name: str, ended: Ended) -> None:
        run, verdict = after_exit(
            self._runs[name], ended.code, time.monotonic(), first_wait=self._options.first_wait
        )
        if self._interrupt.done() and ended.code != ExitCode.DONE:
            self._display.event(name, "stopped")
            return
        self._runs[name] = run
        if run.state is State.DONE:
            await self._after_success(run, ended)
            return
        self._display.event(name, "failed", ended.explanation, () if ended.words else ended.stderr)
        if verdict is Verdict.RESOLVE and not is_resolving(self._runs):
            self._lost_inputs += 1
            self._runs = resolved_again(self._runs)
        if self._lost_inputs > MAX_LOST_INPUTS:
            verdict = Verdict.GIVE_UP
        if verdict in (Verdict.END, Verdict.GIVE_UP):
            self._stopping = self._stopping or verdict is Verdict.END
            self._failed = self._failed or _failure(name, ended)

    async def _after_success(self, run: Run, ended: Ended) -> None:
        words, stage = ended.words, run.stage
        assert words is not None
        assert words.artifact is not None
        self._artifacts[stage.name] = words.artifact
        if self._before and (why := reads_changed(self._before, stage, self._artifacts)):
            self._display.event(run.name, "changed", why)
        told = {name: value for name, value in words.figures.items() if name != "foretold"}
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in told.items())
        self._display.event(run.name, "reused" if words.outcome == "Reused" else "done", figures)
        if stage.kind == "prepare":
            await self._resolved(words.artifacts)
        if any(one.stage.kind == "train" and one.state is State.WAITING for one in self._runs.values()):
            for item in words.figures.get("foretold", {}).get("advice", ()):
                self._display.event(JOB, "advice", item["text"])

    async def _resolved(self, complete: Mapping[str, str]) -> None:
        """`prepare` has said which artifacts of the plan are complete."""
        self._artifacts |= complete
        always = {stage.name for stage in self._stages if stage.always_runs}
        runs = with_artifacts(self._runs, {name: key for name, key in complete.items() if name not in always})
        for name, run in runs.items():
            if run.state is State.REUSED and self._runs[name].state is State.WAITING:
                self._display.event(name, "reused")
        self._runs = runs
        if self._before == as_plan(self._stages, complete):
            self._display.event(JOB, "unchanged", "nothing changed since the last run: everything is reused")
        await self._keep()

    async def _keep(self) -> None:
        await asyncio.to_thread(self._keep_plan, as_plan(self._stages, self._artifacts))

    def _names(self) -> list[str]:
        return [stage.name for stage in self._stages]

    @contextmanager
    def _signals_heard(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        heard = (signal.SIGINT, signal.SIGTERM)
        for name in heard:
            loop.add_signal_handler(name, self._interrupted, name)
        try:
            yield
        finally:
            for name in heard:
                loop.remove_signal_handler(name)

    def _interrupted(self, how: signal.Signals) -> None:
        """The first time everything is asked to stop; who asks again does not want to wait."""
        if self._interrupt.done() or self._stopping:
            for process in self._processes.values():
                process.stop(signal.SIGKILL)
        if not self._interrupt.done():
            self._interrupt.set_result(how)

    async def _stop_the_rest(self) -> None:
        """Asks what still runs to stop, and insists when the grace is over."""
        self._stopping = True
        for process in self._processes.values():
            process.stop()
        late = set(self._running)
        if late:
            _, late = await asyncio.wait(late, timeout=self._options.grace_seconds)
        if late:
            for process in self._processes.values():
                process.stop(signal.SIGKILL)
            await asyncio.wait(late)
        for task in list(self._running):
            name = self._take(task)
            if task.exception() is None and task.result().code == ExitCode.DONE:
                self._runs[name] = replace(self._runs[name], state=State.DONE)
                self._display.event(name, "done")
            else:
                self._display.event(name, "stopped")


def _failure(name: str, ended: Ended) -> Outcome:
    """The outcome of a job whose stage failed for good."""
    code = ended.code if ended.code > 0 else int(ExitCode.OWN_FAULT)
    next_step = "Correct it, then run it again" if code in FINAL else "Run it again to go on"
    explanation = ended.explanation.rstrip(".")
    stop = "" if explanation.endswith("?") else "."
    return Outcome(code, f"{name}: {explanation}{stop} {next_step}.")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)
