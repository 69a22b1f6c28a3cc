"""Runs `w2s run` for one job after another: as by a process for each, but what stages import is imported once."""

import json
import os
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from w2s_cli.main import main
from w2s_trainer.local.fork_server import ForkServer

STOPPED = (130, 143, -2, -9, -15)
GRACE_SECONDS = 30
"""In which a job that is asked to stop saves what it has."""


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    processor: float
    """Seconds of processor that its processes took."""


class JobProcess:
    """A process that runs one job at a time, from its first job until it is closed or a job is stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, words: list[str], log: Path, environment: dict[str, str], stopping: threading.Event
    ) -> Ended | None:
        """Runs `w2s` with some words to its end; None, if it was stopped or died.

        Args:
            words: of the command line.
            log: where what it prints goes.
            environment: what is set beside this process's.
            stopping: ends it.
        """
        if self._process is None:
            command = [sys.executable, "-m", __spec__.name]
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        process = self._process
        assert process.stdin
        assert process.stdout
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process, stopping, ended))
        watch.start()
        try:
            job = {"words": words, "log": str(log), "environment": environment}
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            ended.set()
            watch.join()
        told = Ended(**json.loads(answer)) if answer else None
        if told is None or told.code in STOPPED:
            self.close()
            return None
        return told

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    @staticmethod
    def _watch(process: "subprocess.Popen[str]", stopping: threading.Event, ended: threading.Event) -> None:
        while not ended.wait(1):
            if stopping.is_set():
                process.terminate()
                if not ended.wait(GRACE_SECONDS):
                    process.kill()
                return


class _Shared(ForkServer):
    """Outlives the drivers that it forks for."""

    def close(self) -> None:
        """Leaves it to the next driver."""


def serve() -> None:
    """Reads a job a line and answers how each ended, until there are no more, or one was stopped by a signal."""
    answers = sys.stdout
    shared = _Shared(os.environ)
    with patch("w2s_trainer.local.driver.ForkServer", lambda _environment: shared):
        for line in sys.stdin:
            job, used = json.loads(line), sum(os.times()[:4])
            with (
                patch.dict(os.environ, job["environment"]),
                Path(job["log"]).open("w", encoding="utf-8") as log,
                redirect_stdout(log),
                redirect_stderr(log),
            ):
                code = main(job["words"])
            answers.write(json.dumps({"code": code, "processor": sum(os.times()[:4]) - used}) + "\n")
            answers.flush()
            if code in STOPPED:
                break
    ForkServer.close(shared)


if __name__ == "__main__":
    serve()
