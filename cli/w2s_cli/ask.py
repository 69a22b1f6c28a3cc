"""`w2s ask`: the texts of a job's pool that are most worth an expert's time, as a file to fill in."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from w2s_api.exit_codes import ExitCode
from w2s_cli.job_model import job_place
from w2s_cli.stage import positive
from w2s_cli.store_options import JOB_HELP, add_store_arguments, opened_store
from w2s_trainer.errors import BadData, BadSpec

if TYPE_CHECKING:
    from w2s_trainer.asking.job import EndedJob
    from w2s_trainer.asking.questions import Question


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("job", metavar="JOB", help=f"{JOB_HELP}; it must have come to its end")
    parser.add_argument("-n", type=positive, default=50, metavar="N", help="how many texts (50)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".csv or .jsonl; else CSV on standard output"
    )
    parser.add_argument(
        "--label-studio", type=Path, metavar="FILE", help="tasks to import there (.json); their config beside"
    )
    parser.add_argument("--blind", action="store_true", help="do not show what model and teacher think")
    add_store_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Writes the questions, and says on standard error what to do with them and what they may bring."""
    from w2s_trainer.asking.job import EndedJob
    from w2s_trainer.asking.outlook import outlook
    from w2s_trainer.asking.questions import questions

    _check_names(arguments)
    place = job_place(arguments.job, arguments.storage)
    with (
        tempfile.TemporaryDirectory(prefix="w2s-ask-") as scratch,
        opened_store(arguments, place.storage, place.endpoint) as objects,
    ):
        job = EndedJob(objects, place.storage, place.namespace, place.name, Path(scratch))
        asked = questions(job, arguments.n)
        _write(job, asked, arguments)
    for line in [*outlook(job.results["evaluation"], len(asked)), *_what_next(job, arguments)]:
        sys.stderr.write(line + "\n")
    return ExitCode.DONE


def _check_names(arguments: argparse.Namespace) -> None:
    for path, endings in ((arguments.out, (".csv", ".jsonl")), (arguments.label_studio, (".json",))):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            raise BadSpec("UnknownFormat", f"{path}: the name must end in {' or '.join(endings)}.")
        for file in (path, _config_of(path)) if path is arguments.label_studio else (path,):
            if file.exists():
                raise BadData(
                    "FileExists", f"{file} is there already, and may hold answers.", "Give another name."
                )


def _config_of(tasks: Path) -> Path:
    return tasks.with_suffix(".xml")


def _write(job: "EndedJob", asked: "list[Question]", arguments: argparse.Namespace) -> None:
    from w2s_trainer.asking import sheet

    why = not arguments.blind
    rows = sheet.table(asked, job.fields, why)
    if arguments.label_studio:
        tasks = sheet.as_tasks(asked, f"w2s {job.name}", why)
        arguments.label_studio.write_text(tasks, encoding="utf-8")
        _config_of(arguments.label_studio).write_text(sheet.labelling_config(job.classes), encoding="utf-8")
    if arguments.out is None:
        if not arguments.label_studio:
            sys.stdout.write(sheet.as_csv(rows))
    elif arguments.out.suffix.lower() == ".jsonl":
        arguments.out.write_text(sheet.as_json_lines(rows), encoding="utf-8")
    else:
        # With the mark, spreadsheet programs take it for UTF-8.
        arguments.out.write_text(sheet.as_csv(rows), encoding="utf-8-sig", newline="")
        sheet.check(arguments.out, rows)


def _what_next(job: "EndedJob", arguments: argparse.Namespace) -> list[str]:
    from w2s_trainer.asking.sheet import back_from_label_studio

    lines = [
        f"Fill in `{job.fields.label}` ({', '.join(job.classes)}; empty: not answered yet), put the file where"
        " `data.asked.uri` points, and run the job again."
    ]
    if arguments.label_studio:
        lines.append(
            f"Label Studio: config {_config_of(arguments.label_studio)}; its JSON export becomes such a file by"
            f" {back_from_label_studio(job.fields)}"
        )
    return lines
