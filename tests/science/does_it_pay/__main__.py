"""Runs the jobs of the study that have not been run, and writes its page.

    PYTHONPATH=tests/science python -m does_it_pay --data ../shared/data --state .w2s/science/does_it_pay

SIGTERM and Ctrl-C stop it at any moment: the job in progress is begun again by the next run, of which the store keeps
the stages that were finished. Records that stand beside the page count as those of this machine.
"""

import argparse
import fcntl
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from w2s_trainer.store.embedded import EmbeddedStore

from .cells import Cell, cells
from .declared import SETS, STUDENTS
from .kept_records import DECLARATION, keep, restore
from .manifest import BUCKET, declaration_digest, manifest_of
from .page import NAME, write_page
from .records import Records, read
from .running import Runner
from .task_files import TaskFiles, task_files

STORE_GIGABYTES = 12.0
ROOT = Path(__file__).parents[3]


def main() -> int:
    arguments = parsed()
    state = arguments.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    records = Records(state / "records")
    models = {"qwen": f"file://{arguments.qwen.resolve()}"} if arguments.qwen else {}
    if arguments.retry:
        print(f"{records.forget_failures()} failed jobs are run again")
    kept = arguments.page / f"{NAME}.jsonl" if arguments.page else None
    if kept:
        restore(kept, records)
    code = run(arguments, state, records, models) if arguments.hours > 0 else 0
    if kept:
        found = declared_records(arguments.data, state, records)
        keep(found, kept)
        write_page(found, arguments.page)
    return code


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the labelled sets")
    parser.add_argument("--state", type=Path, default=Path(".w2s/science/does_it_pay"))
    parser.add_argument(
        "--hours", type=float, default=float("inf"), help="no job is started after these; 0: none at all"
    )
    parser.add_argument("--only", default="", help="jobs whose name TASK.SOURCE.BUDGET.STUDENT holds this")
    parser.add_argument("--processes", type=int, default=1, help="jobs at once")
    parser.add_argument("--retry", action="store_true", help="run jobs again that failed")
    parser.add_argument("--qwen", type=Path, help="the directory of Qwen2.5-Coder-1.5B-Instruct")
    parser.add_argument("--page", type=Path, help="the directory of the page, which is written afterwards")
    return parser.parse_args()


def run(arguments: argparse.Namespace, state: Path, records: Records, models: dict[str, str]) -> int:
    """Runs what is left of the jobs; returns an exit code."""
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"Another process runs the study in {state}.", file=sys.stderr)
        return 73
    stopping = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopping.set())
    wanted = [cell for cell in cells() if arguments.only in str(cell)]
    absent = sorted({cell.student for cell in wanted if not STUDENTS[cell.student].uri} - set(models))
    for student in absent:
        print(f"left out: jobs with the student {student}; name its directory (--{student})")
    wanted = [cell for cell in wanted if cell.student not in absent]
    end = time.monotonic() + arguments.hours * 3600
    with Store(state) as store:
        runner = Runner(state, store.server, stopping, commit())
        todo = Todo(wanted, arguments.data, state, records, models)
        with ThreadPoolExecutor(arguments.processes) as pool:
            running: dict[Future[dict[str, Any] | None], Job] = {}
            while not stopping.is_set():
                while len(running) < arguments.processes and time.monotonic() < end:
                    job = todo.next()
                    if job is None:
                        break
                    running[pool.submit(runner.run, job.cell, job.manifest)] = job
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job = running.pop(future)
                    if (record := future.result()) is not None:
                        records.keep(job.cell, job.digest, record)
                        say(job.cell, record)
                store.tidy(idle=not running)
                runner.server = store.server
        runner.close()
    return 143 if stopping.is_set() else 0


def declared_records(data: Path, state: Path, records: Records) -> list[dict[str, Any]]:
    """The records of jobs as they are declared now, in order."""
    found = []
    for cell in cells():
        if records.any(cell):
            files = task_files(SETS[cell.task], data, state / "data" / cell.task)
            digest = declaration_digest(manifest_of(cell, files, {}))
            if records.has(cell, digest):
                found.append({**read(records.path(cell, digest)), DECLARATION: digest})
    return found


class Job:
    """A job that is to be run."""

    def __init__(self, cell: Cell, manifest: dict[str, Any]) -> None:
        self.cell, self.manifest, self.digest = cell, manifest, declaration_digest(manifest)


class Todo:
    """The jobs without a record, in order."""

    def __init__(
        self, wanted: list[Cell], data: Path, state: Path, records: Records, models: dict[str, str]
    ) -> None:
        self._left, self._data, self._state = list(wanted), data, state
        self._records, self._models = records, models
        self._files: dict[str, TaskFiles] = {}

    def next(self) -> Job | None:
        """The next of them; its task's files are written if need be."""
        while self._left:
            cell = self._left.pop(0)
            if cell.task not in self._files:
                directory = self._state / "data" / cell.task
                self._files[cell.task] = task_files(SETS[cell.task], self._data, directory)
            job = Job(cell, manifest_of(cell, self._files[cell.task], self._models))
            if not self._records.has(cell, job.digest):
                return job
        return None


class Store:
    """The store of all jobs, so that features are computed once; emptied when it has grown too large."""

    def __init__(self, state: Path) -> None:
        self._directory = state / "store"

    def __enter__(self) -> "Store":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def _start(self) -> None:
        self.server = EmbeddedStore(self._directory)
        self.server.start()
        self.server.create_bucket(BUCKET)

    def tidy(self, idle: bool) -> None:
        """Begins a new store while no job runs, if this one has grown too large."""
        files = [path for path in self._directory.rglob("*") if path.is_file()]
        if idle and sum(path.stat().st_size for path in files) > STORE_GIGABYTES * 1e9:
            self.server.stop()
            shutil.rmtree(self._directory)
            self._start()


def say(cell: Cell, record: dict[str, Any]) -> None:
    came = record.get("failed") or {
        arm["arm"]: round(arm["metrics"]["MacroF1"]["estimate"], 3)
        for arm in record["results"]["evaluation"]["arms"]
    }
    print(f"{time.strftime('%H:%M:%S')} {cell} {record['seconds']} {came}", flush=True)


def commit() -> str:
    """The commit of the code that runs, with a plus where it was edited."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    edited = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("+" if edited.stdout.strip() else "")


if __name__ == "__main__":
    sys.exit(main())
