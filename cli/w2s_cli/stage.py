"""`w2s stage`: one stage, by the process contract (docs/artifacts.md)."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

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


def main(arguments: argparse.Namespace) -> int:
    """Runs the stage."""
    from w2s_trainer.contract.job import read_job
    from w2s_trainer.contract.main import run_stage
    from w2s_trainer.errors import BadSpec

    try:
        frozen = read_job(arguments.job).stage.name
    except BadSpec:
        frozen = arguments.name  # run_stage says what is wrong with it
    if frozen != arguments.name:
        sys.stderr.write(f"{arguments.job} is for stage {frozen}, not {arguments.name}\n")
        return ExitCode.BAD_SPEC
    return run_stage(
        arguments.job,
        shard=arguments.shard,
        last_words=arguments.last_words,
        scratch=arguments.scratch,
        cache=arguments.cache,
        credentials_dir=arguments.credentials_dir,
    )


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


def _last_words() -> Path | None:
    given = os.environ.get("W2S_LAST_WORDS")
    if given:
        return Path(given)
    return TERMINATION_LOG if os.access(TERMINATION_LOG, os.W_OK) else None
