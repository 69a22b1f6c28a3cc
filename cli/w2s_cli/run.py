"""`w2s run`: a manifest on this machine. Running it again continues; an edit re-runs what it changes."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_api.pipeline import pipeline
from w2s_api.spec import WeakToStrongJob
from w2s_cli.manifest import read_manifests
from w2s_cli.stage import default_cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and start nothing")
    parser.add_argument("--parallel", type=int, help="stages at once (default: half of the cores)")
    parser.add_argument("--output", type=Path, help="where report.html and results.json go (w2s-NAME)")
    parser.add_argument(
        "--embedded-store", type=Path, metavar="DIR", help="start an S3 server that keeps DIR"
    )
    parser.add_argument(
        "--credentials-dir", type=Path, help="files of a mounted Secret, in place of the SDK's"
    )
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where models are kept")


def main(arguments: argparse.Namespace) -> int:
    """Runs the manifest and prints what came of it."""
    checked = read_manifests(arguments.manifest)
    complaints = [line for one in checked for line in one.complaints]
    if len(checked) > 1 and not complaints:
        complaints = [f"{arguments.manifest}: holds {len(checked)} manifests; run one at a time"]
    job = checked[0].job
    if complaints or job is None:
        sys.stderr.write("\n".join(complaints) + "\n")
        return ExitCode.BAD_SPEC
    from w2s_trainer.errors import StageError

    try:
        return _run(job, arguments)
    except StageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _run(job: WeakToStrongJob, arguments: argparse.Namespace) -> int:
    from w2s_trainer.local.display import display
    from w2s_trainer.local.driver import Options, drive

    with ExitStack() as stack:
        environment = dict(os.environ)
        if arguments.embedded_store:
            from w2s_trainer.store.embedded import EmbeddedStore

            server = stack.enter_context(EmbeddedStore(arguments.embedded_store))
            server.create_bucket(job.spec.storage.uri.removeprefix("s3://").split("/")[0])
            environment |= server.environment()
            os.environ |= server.environment()
            job = _at(job, server.endpoint)
        parallel = arguments.parallel or max(1, (os.cpu_count() or 2) // 2)
        options = Options(parallel, arguments.cache, arguments.credentials_dir, environment=environment)
        if arguments.dry_run:
            return _dry_run(job, options)
        shown = display()
        try:
            outcome = asyncio.run(drive(job, options, shown))
        finally:
            shown.close()
        if outcome.code:
            sys.stderr.write(outcome.message + "\n")
            return outcome.code
        return _say_results(job, options, arguments.output or Path(f"w2s-{job.metadata.name}"))


def _at(job: WeakToStrongJob, endpoint: str) -> WeakToStrongJob:
    storage = job.spec.storage.model_copy(update={"endpoint": endpoint})
    return job.model_copy(update={"spec": job.spec.model_copy(update={"storage": storage})})


def _dry_run(job: WeakToStrongJob, options: Any) -> int:
    from w2s_trainer.errors import StageError
    from w2s_trainer.local.driver import open_store, what_changed

    changed: dict[str, str] | None = None
    with tempfile.TemporaryDirectory() as directory:
        try:
            changed = what_changed(job, open_store(job, options, Path(directory)))
            known = "never run" if changed is None else "compared with its last run"
        except StageError as error:
            known = f"store not reached: {error}"
    print(f"{job.metadata.namespace}/{job.metadata.name}: {known}")
    for stage in pipeline(job.spec):
        shards = f" × {stage.shards}" if stage.shards > 1 else ""
        why = "" if changed is None else changed.get(stage.name, "unchanged")
        print(
            f"  {stage.name + shards:<24} {stage.key[:12]}  needs {', '.join(stage.needs) or '–':<40} {why}"
        )
    return ExitCode.DONE


def _say_results(job: WeakToStrongJob, options: Any, output: Path) -> int:
    from w2s_trainer.local.driver import open_store
    from w2s_trainer.local.results import table

    with tempfile.TemporaryDirectory() as directory:
        store = open_store(job, options, Path(directory))
        output.mkdir(parents=True, exist_ok=True)
        for name in ("results.json", "report.html"):
            uri = store.job_uri(job.metadata.namespace, job.metadata.name, name)
            store.objects.download(uri, output / name)
        results = json.loads((output / "results.json").read_text())
        promoted = store.job_uri(job.metadata.namespace, job.metadata.name, "model/")
    print()
    print(table(results, promoted))
    print(f"Report: {output / 'report.html'}")
    return ExitCode.DONE
