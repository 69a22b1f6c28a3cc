"""`w2s stage`: one stage, by the process contract (docs/artifacts.md)."""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from w2s_api.exit_codes import ExitCode

TERMINATION_LOG = Path("/dev/termination-log")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("name", help="the stage, e.g. label-small")
    parser.add_argument("--job", type=Path, required=True, help="the frozen job file")
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="i/n", help="which part, from 0")
    parser.add_argument(
        "--last-words", type=Path, default=_last_words(), help="where the last words are left"
    )
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--credentials-dir", type=Path, help="files of a mounted Secret")
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="that tune one student together (default: one for each GPU)",
    )
    parser.add_argument("--rank-notes", type=Path, help=argparse.SUPPRESS)


def main(arguments: argparse.Namespace) -> int:
    """Runs the stage."""
    from w2s_trainer.contract.signals import Asked, raise_when_asked

    # Threads that wait must not take the cores that others compute on; torch reads it when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with raise_when_asked():
            return _main(arguments)
    except Asked:  # before there was a stage
        from w2s_trainer.contract.main import STOPPED_EARLY
        from w2s_trainer.contract.processes import Rank

        if arguments.rank_notes:
            Rank(int(os.environ["RANK"]), arguments.rank_notes).leave(STOPPED_EARLY, ExitCode.OWN_FAULT)
        elif arguments.last_words:
            STOPPED_EARLY.write(arguments.last_words)
        return ExitCode.OWN_FAULT


def _main(arguments: argparse.Namespace) -> int:
    from w2s_trainer.contract.job import read_job
    from w2s_trainer.contract.processes import Rank
    from w2s_trainer.errors import BadSpec

    # First of all: the parent process asks this one to stop only once it can hear.
    rank = Rank.enter(arguments.rank_notes) if arguments.rank_notes else None
    try:
        stage = read_job(arguments.job).stage
    except BadSpec:
        stage = None  # run_stage says what is wrong with it
    if stage and stage.name != arguments.name:
        sys.stderr.write(f"{arguments.job} is for stage {stage.name}, not {arguments.name}\n")
        return ExitCode.BAD_SPEC
    if stage and stage.processes == "PerGPU" and rank is None and (count := _processes(arguments)) > 1:
        return _supervise(arguments, count)

    from w2s_trainer.contract.main import run_stage

    return run_stage(
        arguments.job,
        shard=arguments.shard,
        last_words=arguments.last_words,
        scratch=arguments.scratch,
        cache=arguments.cache,
        credentials_dir=arguments.credentials_dir,
        rank=rank,
    )


def _processes(arguments: argparse.Namespace) -> int:
    from w2s_trainer.contract.machine import gpus

    return arguments.processes or gpus()


def _supervise(arguments: argparse.Namespace, count: int) -> int:
    from w2s_trainer.contract.processes import supervise

    options = [arguments.name, "--job", str(arguments.job), "--cache", str(arguments.cache)]
    if arguments.credentials_dir:
        options += ["--credentials-dir", str(arguments.credentials_dir)]
    return supervise(options, count, last_words=arguments.last_words, scratch=arguments.scratch)


def leave(code: int) -> NoReturn:
    """Ends this process, in which only a stage has run."""
    from w2s_trainer.contract import leaving

    leaving.leave(code)


def default_cache() -> Path:
    """Where models are kept: W2S_CACHE, else the user's cache directory."""
    given = os.environ.get("W2S_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(base) if base else Path.home() / ".cache") / "w2s"


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i below n")
    return int(index), int(count)


def positive(text: str) -> int:
    """A number from 1, of a command line."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _last_words() -> Path | None:
    given = os.environ.get("W2S_LAST_WORDS")
    if given:
        return Path(given)
    return TERMINATION_LOG if os.access(TERMINATION_LOG, os.W_OK) else None
