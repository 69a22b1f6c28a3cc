"""What to start next, and what an exit means. Pure: every rule of the local driver is here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from w2s_api.exit_codes import FINAL, ExitCode
from w2s_api.retry import RetryPolicy
from w2s_api.stage import Stage

MAX_FAILURES = 2
"""Faults of its own that a run may have before it is given up."""
MAX_DISRUPTIONS = 5
"""Times that the store was away or the process was stopped before a run is given up."""
MAX_LOST_INPUTS = 2
"""Times that the plan is resolved again because an input artifact was gone."""
LONGEST_WAIT = 30.0
"""Seconds before a run is tried again, at most."""

RETRIES = RetryPolicy(
    max_failures=MAX_FAILURES,
    max_disruptions=MAX_DISRUPTIONS,
    max_resolutions=MAX_LOST_INPUTS,
    failure_backoff=1.0,
    disruption_backoff=None,
    longest_backoff=LONGEST_WAIT,
)
"""Somebody sits before a laptop: fewer attempts and shorter waits than on a cluster."""


class State(Enum):
    """Where a run (a stage, or one shard of it) stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """One process to be: a stage, or one shard of it."""

    stage: Stage
    shard: int = 0
    state: State = State.WAITING
    failures: int = 0
    disruptions: int = 0
    not_before: float = 0.0
    """Clock seconds before which it is not started again."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.stage.name if self.stage.shards == 1 else f"{self.stage.name}-{self.shard}"


class Verdict(Enum):
    """What an exit means for the job."""

    CONTINUE = "continue"
    END = "end"
    """A person has to act: the other stages are asked to stop."""
    GIVE_UP = "give up"
    """Tried often enough: nothing more is started, the other stages may finish."""
    RESOLVE = "resolve"
    """An input artifact is gone: begin again with `prepare`; what is complete is found."""


Runs = Mapping[str, Run]


def first_runs(stages: tuple[Stage, ...]) -> dict[str, Run]:
    """A run for each stage and shard, by name, in the order of the pipeline."""
    runs = [Run(stage, shard) for stage in stages for shard in range(stage.shards)]
    return {run.name: run for run in runs}


def with_artifacts(runs: Runs, complete: Mapping[str, str]) -> dict[str, Run]:
    """After `prepare`: the runs of stages whose artifacts are complete are not needed."""
    return {
        name: replace(run, state=State.REUSED)
        if run.state is State.WAITING and run.stage.name in complete
        else run
        for name, run in runs.items()
    }


def resolved_again(runs: Runs) -> dict[str, Run]:
    """All runs as at the start, but for those that are running."""
    return {
        name: run if run.state is State.RUNNING else Run(run.stage, run.shard) for name, run in runs.items()
    }


def is_resolving(runs: Runs) -> bool:
    """Whether `prepare` has yet to say which artifacts are complete."""
    return any(
        run.stage.kind == "prepare" and run.state in (State.WAITING, State.RUNNING) for run in runs.values()
    )


def startable(runs: Runs, slots: int, now: float) -> list[str]:
    """The runs to start now, in order: all they need is done, and there is room for them.

    Args:
        runs: all of them.
        slots: how many processes may run at once.
        now: clock seconds.
    """
    finished = done_stages(runs)
    room = slots - sum(run.state is State.RUNNING for run in runs.values())
    ready = [
        name
        for name, run in runs.items()
        if run.state is State.WAITING and run.not_before <= now and set(run.stage.needs) <= finished
    ]
    return ready[: max(0, room)]


def next_retry(runs: Runs, now: float) -> float | None:
    """Seconds until a run that waits to be tried again may start; None if none waits."""
    waits = [run.not_before - now for run in runs.values() if run.state is State.WAITING]
    return min((wait for wait in waits if wait > 0), default=None)


def done_stages(runs: Runs) -> set[str]:
    """Names of the stages all of whose shards are done."""
    open_ = {run.stage.name for run in runs.values() if run.state not in (State.DONE, State.REUSED)}
    return {run.stage.name for run in runs.values()} - open_


def after_exit(
    run: Run, code: int, now: float, first_wait: float = RETRIES.failure_backoff
) -> tuple[Run, Verdict]:
    """What an exit code (negative: a signal) means for a run and its job.

    Args:
        run: the run that ended.
        code: how.
        now: clock seconds.
        first_wait: seconds before the first retry; each later one waits twice as long, LONGEST_WAIT at most.
    """
    match code:
        case ExitCode.DONE:
            return replace(run, state=State.DONE), Verdict.CONTINUE
        case ExitCode.INPUT_GONE:
            return replace(run, state=State.WAITING), Verdict.RESOLVE
        case _ if code in FINAL:
            return replace(run, state=State.FAILED), Verdict.END
        case ExitCode.UNAVAILABLE | ExitCode.STOPPED:
            again = replace(run, disruptions=run.disruptions + 1)
        case _:
            again = replace(run, failures=run.failures + 1)
    retries = replace(RETRIES, failure_backoff=first_wait)
    if retries.is_exhausted(again.failures, again.disruptions):
        return replace(again, state=State.FAILED), Verdict.GIVE_UP
    wait = retries.backoff(again.failures, again.disruptions)
    return replace(again, state=State.WAITING, not_before=now + wait), Verdict.CONTINUE
