"""What a run would do, without doing it: `w2s run --dry-run`."""

from dataclasses import dataclass
from pathlib import Path

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_api.stage import Stage
from w2s_trainer.errors import StageError
from w2s_trainer.local.changes import changes
from w2s_trainer.local.job_store import JobStore
from w2s_trainer.local.options import Options


@dataclass(frozen=True)
class Seen:
    """What the store says of a job."""

    summary: str
    """How much of it is known, for a person."""
    changed: dict[str, str] | None = None
    """Why stages are another computation than in the last run; None if there was none, or it is unknown."""
    complete: dict[str, str] | None = None
    """Content keys of complete artifacts by stage name; None if it is unknown."""


def look(job: WeakToStrongJob, options: Options | None, directory: Path) -> Seen:
    """Looks into the store; writes nothing there.

    Args:
        job: the manifest.
        options: None if there is no store yet.
        directory: for temporary files.
    """
    if options is None:
        return Seen("never run", None, {})
    stages = pipeline(job.spec)
    try:
        store = JobStore(job, options, directory)
        before = store.read_plan()
    except StageError as error:
        return Seen(f"what is reused is not known, since the store cannot be read: {error}")
    changed = None if before is None else changes(before, stages)
    summary = "never run" if before is None else "compared with its last run"
    try:
        return Seen(summary, changed, store.complete(stages))
    except StageError as error:
        return Seen(f"{summary}; what is reused is not known: {error}", changed)


def preview(stages: tuple[Stage, ...], seen: Seen) -> list[str]:
    """Returns a line for each stage: name and shards, key, what becomes of it and why, what it needs. Pure."""
    lines = []
    for stage in stages:
        shards = f" × {stage.shards}" if stage.shards > 1 else ""
        fate = "?" if seen.complete is None else "reuse" if stage.name in seen.complete else "run"
        why = (seen.changed or {}).get(stage.name, "")
        needs = f"needs {', '.join(stage.needs)}" if stage.needs else ""
        line = f"  {stage.name + shards:<24} {stage.key[:12]}  {fate:<5}  {needs}"
        lines.append(f"{line}; {why}" if why and needs else (line + why).rstrip())
    lines += [
        f"  {name:<24} {'–':<12}  –      {why}"
        for name, why in (seen.changed or {}).items()
        if name not in {stage.name for stage in stages}
    ]
    return lines
