"""`w2s run`: a manifest on this machine. Running it again continues; an edit re-runs what it changes."""

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from w2s_api.exit_codes import ExitCode
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_cli.manifest import read_manifests
from w2s_cli.stage import default_cache, positive

if TYPE_CHECKING:
    from w2s_trainer.local.options import Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and start nothing")
    parser.add_argument(
        "--parallel",
        type=positive,
        metavar="N",
        help="stages at once (default: half of the cores, divided by --processes)",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="that tune one LoRA or Full student together (default: one for each GPU)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where report.html, results.json and decisions.csv go (w2s-NAME)",
    )
    parser.add_argument(
        "--embedded-store", type=Path, metavar="DIR", help="start an S3 server that keeps its data in DIR"
    )
    parser.add_argument(
        "--credentials-dir",
        type=Path,
        metavar="DIR",
        help="files of a mounted Secret, in place of the SDK's chain",
    )
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="where models are kept"
    )


def main(arguments: argparse.Namespace) -> int:
    """Runs the manifest and prints what came of it."""
    checked = read_manifests(arguments.manifest)
    complaints = [line for document in checked for line in document.complaints]
    if len(checked) > 1 and not complaints:
        complaints = [f"{arguments.manifest}: holds {len(checked)} manifests; run one at a time"]
    job = checked[0].job
    if complaints or job is None:
        sys.stderr.write("\n".join(complaints) + "\n")
        return ExitCode.BAD_SPEC
    for doubt in checked[0].doubts:
        sys.stderr.write(doubt + "\n")
    before = signal.signal(signal.SIGTERM, _stopped)  # outside of the stages, which hear it themselves
    try:
        return _run(job, arguments)
    except KeyboardInterrupt as stop:
        sys.stderr.write("Stopped. Run it again to continue.\n")
        return 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a directory that cannot be written
        sys.stderr.write(f"{error.filename or 'w2s run'}: {error.strerror or error}\n")
        return ExitCode.OWN_FAULT
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(job: WeakToStrongJob, arguments: argparse.Namespace) -> int:
    from w2s_trainer.contract.machine import cores
    from w2s_trainer.local.display import display
    from w2s_trainer.local.driver import drive
    from w2s_trainer.local.options import Options

    options = Options(
        parallel=arguments.parallel or max(1, cores() // (2 * (arguments.processes or 1))),
        cache=arguments.cache,
        credentials_dir=arguments.credentials_dir,
        processes=arguments.processes,
        functions_dir=arguments.manifest.resolve().parent if arguments.manifest.is_file() else None,
    )
    embedded = arguments.embedded_store
    if arguments.dry_run and embedded and not embedded.exists():
        return _dry_run(job, None)
    with ExitStack() as stack:
        if embedded:
            from w2s_trainer.store.embedded import EmbeddedStore

            server = stack.enter_context(EmbeddedStore(embedded))
            server.create_bucket(job.spec.storage.uri.removeprefix("s3://").split("/")[0])
            job = _at(job, server.endpoint)
            options = replace(options, credentials_dir=server.settings(job.spec.storage.uri).credentials_dir)
        if arguments.dry_run:
            return _dry_run(job, replace(options, unavailable_seconds=5.0))
        shown = display()
        try:
            outcome = drive(job, options, shown)
        finally:
            shown.close()
        if outcome.code:
            sys.stderr.write(outcome.message + "\n")
            return outcome.code
        return _say_results(job, options, arguments.output or Path(f"w2s-{job.metadata.name}"))


def _at(job: WeakToStrongJob, endpoint: str) -> WeakToStrongJob:
    """The job with another server; storage is part of no key."""
    storage = job.spec.storage.model_copy(update={"endpoint": endpoint, "ca_bundle": None})
    return job.model_copy(update={"spec": job.spec.model_copy(update={"storage": storage})})


def _dry_run(job: WeakToStrongJob, options: "Options | None") -> int:
    from w2s_trainer.local.preview import look, preview

    with tempfile.TemporaryDirectory() as directory:
        seen = look(job, options, Path(directory))
    print(f"{job.metadata.namespace}/{job.metadata.name}: {seen.summary}")
    for line in preview(pipeline(job.spec), seen):
        print(line)
    return ExitCode.DONE


def _say_results(job: WeakToStrongJob, options: "Options", output: Path) -> int:
    from w2s_trainer.local.job_store import JobStore
    from w2s_trainer.local.results import table

    with tempfile.TemporaryDirectory() as directory:
        store = JobStore(job, options, Path(directory))
        output.mkdir(parents=True, exist_ok=True)
        for name in ("results.json", "report.html", "decisions.csv"):
            store.objects.download(store.uri(name), output / name)
        results = json.loads((output / "results.json").read_text())
    print()
    print(table(results, store.uri("model/")))
    print(f"Report: {output / 'report.html'}")
    return ExitCode.DONE


def _stopped(how: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(how)
