"""Runs one stage: reads the frozen job, finds its inputs, does the work once, leaves the last words."""

import importlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_api.keys import content_key
from w2s_api.names import StageKind
from w2s_api.stage import Role
from w2s_trainer.contract.context import Headway, StageContext, StageResult
from w2s_trainer.contract.credentials import storage_settings
from w2s_trainer.contract.job import StageJob, read_job
from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.contract.processes import Rank
from w2s_trainer.contract.progress import Progress
from w2s_trainer.contract.resolve import complete_artifacts, read_digests
from w2s_trainer.contract.signals import Asked, ignore_stop_signals, raise_when_asked
from w2s_trainer.errors import InputGone, OwnFault, StageError, Stopped
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience

STOPPED_EARLY = LastWords(
    "Stopped", "Stopped", "Asked to stop before the stage was done. Run it again to continue."
)


def run_stage(
    job_file: Path,
    *,
    shard: tuple[int, int] = (0, 1),
    last_words: Path | None = None,
    scratch: Path,
    cache: Path,
    credentials_dir: Path | None = None,
    rank: Rank | None = None,
) -> int:
    """Runs the stage that a job file describes.

    Args:
        job_file: the frozen job file.
        shard: (index, count).
        last_words: where the last words are left; None leaves none.
        scratch: a directory for temporary files; what this process puts there is removed at the end.
        cache: a directory that models are kept in.
        credentials_dir: files of a mounted Secret; None means the SDK's default chain.
        rank: this process's place, where several run the stage together. It leaves its words with them, then,
            and ends with 0: one of them answers for all.

    Returns:
        The exit code (`w2s_api.exit_codes`).
    """
    headway = Headway(rank.saved if rank and rank.leads else None)
    with raise_when_asked():
        try:
            with _scratch(scratch) as directory:
                job = read_job(job_file)
                words = _run(job, shard, directory, cache, credentials_dir, headway, rank)
                code = ExitCode.DONE
        except BaseException as error:
            words, code = _ended_by(error, headway)
        ignore_stop_signals()
        if rank:
            rank.leave(words, code)
            return int(ExitCode.DONE)
        if words.outcome in ("Failed", "Stopped"):
            sys.stderr.write(f"{words.reason}: {words.message}\n")
        if last_words:
            words.write(last_words)
    return int(code)


def _ended_by(error: BaseException, headway: Headway) -> tuple[LastWords, ExitCode]:
    """Last words and exit code of a stage that an exception ended."""
    match error:
        case Asked():
            return STOPPED_EARLY, _stopped(headway)
        case Stopped():
            return LastWords("Stopped", error.reason, str(error)), _stopped(headway)
        case StageError():
            return LastWords("Failed", error.reason, str(error)), error.exit_code
        case MemoryError():
            full = _out_of_memory()
            return LastWords("Failed", full.reason, str(full)), full.exit_code
        case Exception():
            if disk := _disk_full(error):
                return LastWords("Failed", disk.reason, str(disk)), disk.exit_code
            traceback.print_exception(error)  # a defect of ours: the trace is for the developer
            words = LastWords("Failed", "InternalError", f"{type(error).__name__}: {error}")
            return words, ExitCode.OWN_FAULT
    raise error


def _stopped(headway: Headway) -> ExitCode:
    """Charges a stop without a newer checkpoint: the stage would stop there again and again."""
    return ExitCode.STOPPED if headway.saved else ExitCode.OWN_FAULT


def _run(
    job: StageJob,
    shard: tuple[int, int],
    scratch: Path,
    cache: Path,
    credentials_dir: Path | None,
    headway: Headway,
    rank: Rank | None,
) -> LastWords:
    settings = storage_settings(job.spec.storage, credentials_dir, scratch)
    objects = Objects(settings, Patience(job.denied_seconds, job.unavailable_seconds))
    store = ArtifactStore(objects, settings.uri)
    stage, module = job.stage, _module(job.stage.kind)
    if stage.kind == "prepare":
        from w2s_trainer.store.access import check_access

        check_access(objects, settings.uri)

    needs = {name: _input(store, job, name) for name in stage.needs}
    key = content_key(job.key, job.needs, read_digests(stage, objects))
    part = shard if shard[1] > 1 else None
    artifact = store.find(stage.kind, key, shard=part)
    figures: dict[str, Any] = {}
    reused = artifact is not None
    if artifact is None:
        began = time.monotonic()
        with store.begin(stage.kind, key, shard=part) as attempt:
            context = StageContext(
                job=job,
                objects=objects,
                store=store,
                progress=_progress(stage.name, rank),
                output=attempt.directory,
                scratch=scratch,
                cache=cache,
                needs=needs,
                shard=shard,
                key=key,
                headway=headway,
            )
            result: StageResult = module.run(context)
            if rank and not rank.leads:
                return LastWords("Done")
            artifact = attempt.commit(result.summary, _provenance(job, time.monotonic() - began))
            figures = result.figures
    elif figures_of := getattr(module, "figures", None):
        figures = figures_of(artifact.summary)
    if rank and not rank.leads:
        return LastWords("Reused")
    if verify := getattr(module, "verify", None):
        verify(artifact.summary, job.spec)
    if publish := getattr(module, "publish", None):
        publish(job, objects, store, artifact)
    complete: dict[str, str] = {}
    if stage.kind == "prepare":
        for later in job.stages:
            if later.kind in ("adapt", "retention"):
                _module(later.kind).check(job.spec, later, objects, cache)
        complete = complete_artifacts(job.stages, key, objects, store)
        figures |= _foretold(job, complete, store, scratch)
    elif stage.kind == "aggregate":
        figures |= _foretold(job, {**job.needs, stage.name: key}, store, scratch)
    return LastWords("Reused" if reused else "Done", artifact=key, figures=figures, artifacts=complete)


def _foretold(
    job: StageJob, complete: Mapping[str, str], store: ArtifactStore, scratch: Path
) -> dict[str, Any]:
    """What is said of the job before a student is trained, once its labels are aggregated: for the last words of the stage that
    does it or, if that was done already and runs no more, of `prepare`.

    Args:
        job: of the stage.
        complete: content keys of complete artifacts by stage name, those that the labels were made from among them.
        store: where they are.
        scratch: a directory for downloads.
    """
    labels = next(stage for stage in job.stages if stage.kind == "aggregate")
    if labels.name not in complete:
        return {}

    def artifacts(role: Role) -> list[Artifact]:
        names = [labels.name] if role == "labels" else labels.roles[role]
        return [_find(store, job, name, complete.get(name, "")) for name in names]

    try:
        return {"foretold": _module("aggregate").foretell(job.spec, artifacts, scratch)}
    except InputGone:  # what the labels were made from; whoever needs it says so
        return {}


def _module(kind: StageKind) -> ModuleType:
    return importlib.import_module(f"w2s_trainer.stages.{kind}")


def _input(store: ArtifactStore, job: StageJob, name: str) -> Artifact:
    return _find(store, job, name, job.needs.get(name, ""))


def _find(store: ArtifactStore, job: StageJob, name: str, key: str) -> Artifact:
    kind = {stage.name: stage.kind for stage in job.stages}[name]
    artifact = store.find(kind, key)
    if artifact is None:
        raise InputGone(
            "InputGone",
            f"The artifact of stage {name} ({key or 'no key given'}) is not in the store.",
            "Run the job again: it is made anew.",
        )
    return artifact


def _provenance(job: StageJob, seconds: float) -> dict[str, Any]:
    return {
        "job": f"{job.namespace}/{job.name}",
        "stage": job.stage.name,
        "key": job.key,
        "needs": job.needs,
        "inputs": dict(job.stage.inputs),
        "methods": dict(job.stage.methods),
        "seconds": round(seconds, 3),
        "versions": {name: _version(name) for name in ("w2s", "torch", "transformers", "numpy")},
        "image": os.environ.get("W2S_IMAGE", ""),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _progress(stage: str, rank: Rank | None) -> Progress:
    """Returns the progress of a stage: of several processes, only the leading one prints it."""
    if rank and not rank.leads:
        return Progress(stage, stream=StringIO())
    return Progress(stage, float(os.environ.get("W2S_PROGRESS_SECONDS", "1")))


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="w2s-stage-") as directory:
        before = tempfile.tempdir
        tempfile.tempdir = directory
        try:
            yield Path(directory)
        finally:
            with suppress(OSError):
                tempfile.tempdir = before


def _out_of_memory() -> OwnFault:
    return OwnFault(
        "OutOfMemory", "Memory ran out.", "Lower `batchTokens` (or `maxTokens`) of the model, or give more."
    )


def _disk_full(error: Exception) -> OwnFault | None:
    import errno

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or tempfile.gettempdir()
        return OwnFault(
            "DiskFull", f"The disk is full at {place}.", "Free some space, or point TMPDIR elsewhere."
        )
    return None
