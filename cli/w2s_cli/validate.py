"""`w2s validate`: every mistake of a manifest with its line; needs neither torch nor a network."""

import argparse
import sys
from pathlib import Path

from w2s_api.exit_codes import ExitCode
from w2s_api.pipeline import pipeline
from w2s_cli.manifest import read_manifests


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def main(arguments: argparse.Namespace) -> int:
    """Prints one line a mistake, or one line a sound manifest and one for each doubt about it."""
    code = ExitCode.DONE
    for path in arguments.files:
        for checked in read_manifests(path):
            for complaint in checked.complaints:
                code = ExitCode.BAD_SPEC
                sys.stderr.write(complaint + "\n")
            for doubt in checked.doubts:
                sys.stderr.write(doubt + "\n")
            if checked.job:
                stages = " → ".join(stage.name for stage in pipeline(checked.job.spec))
                print(f"{path}: {checked.job.metadata.name}: valid; {stages}")
    return code
