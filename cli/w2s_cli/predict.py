"""`w2s predict`: what a published model says of texts, as JSON lines."""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from w2s_api.exit_codes import ExitCode
from w2s_cli.job_model import CANDIDATE, job_place
from w2s_cli.stage import default_cache
from w2s_cli.store_options import JOB_HELP, add_store_arguments, opened_store
from w2s_trainer.data.keys import has_lone_surrogate
from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.rows import read_rows
from w2s_trainer.data.sources import DataFile, expand
from w2s_trainer.data.values import Unfit, input_of, key_of, text_of, value_of
from w2s_trainer.errors import BadData

if TYPE_CHECKING:
    from w2s_trainer.families.task_family import Predictor
    from w2s_trainer.store.objects import Objects

POINTERS = ("model.json", CANDIDATE)
DEFAULT_ID_FIELD = "id"


@dataclass(frozen=True)
class Input:
    """One text, with what tells it from the others."""

    number: int
    """From 1: of --text first, then of the rows of the file."""
    text: str
    id: str | int | float | None = None
    """As it was written; None if the row has none."""
    inputs: tuple[str, ...] = ()
    """What the model reads of the row beside the text."""
    lines: int = 1
    """Of CSV: a quoted text may go over several."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help=".jsonl, .jsonl.gz, .csv or .parquet with a text field, or a folder of them",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--model", metavar="URI", help="a job's model.json, an s3://… prefix, hf://…, file://… or a directory"
    )
    which.add_argument(
        "--job",
        metavar="JOB",
        help=f"{JOB_HELP}: the newest model of the job, published or not",
    )
    parser.add_argument(
        "--students-only", action="store_true", help="of a combination: do not add its teacher"
    )
    parser.add_argument("--text", action="append", default=[], help="a text; may be given several times")
    parser.add_argument("--text-field", default="text", metavar="NAME")
    parser.add_argument(
        "--id-field",
        metavar="NAME",
        help=f"is repeated where a row has it; without this option, `{DEFAULT_ID_FIELD}` is if there is one",
    )
    add_store_arguments(parser)
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="where models are kept"
    )
    parser.add_argument(
        "--batch-tokens", type=int, default=8192, metavar="N", help="lower it if memory runs out"
    )


def main(arguments: argparse.Namespace) -> int:
    """Prints {row, id} and the answer for each text, of a classifier {label, probabilities}: for all of them, or for none."""
    if not arguments.file and not arguments.text:
        sys.stderr.write("Nothing to decide about: give a FILE or --text.\n")
        return ExitCode.BAD_SPEC

    job = job_place(arguments.job, arguments.storage) if arguments.job else None
    given = job.model if job else arguments.model
    uri = given if "://" in given else f"file://{Path(given).absolute()}"
    with opened_store(arguments, uri, job.endpoint if job else None) as objects:
        return _decide(given, uri, objects, arguments)


def _decide(given: str, uri: str, objects: "Objects", arguments: argparse.Namespace) -> int:
    from w2s_trainer.data.inputs import Inputs
    from w2s_trainer.families.predicting import input_fields
    from w2s_trainer.json_text import strict_json
    from w2s_trainer.models.uri import fetch_directory

    published = _published(uri, objects, arguments.cache)
    fields = input_fields(fetch_directory(published, objects, arguments.cache), given)
    rows = [*_given_texts(arguments.text, fields)]
    if arguments.file:
        rows += _read(arguments.file, arguments, fields, len(rows) + 1, objects)
    predictor = _predictor(given, published, objects, arguments)
    texts: Sequence[str] = [row.text for row in rows]
    if fields:
        texts = Inputs(
            texts, {name: [row.inputs[place] for row in rows] for place, name in enumerate(fields)}
        )
    answers, tokens = predictor.answer(texts, arguments.batch_tokens)
    for row, answer in zip(rows, answers, strict=True):
        named: dict[str, Any] = {"row": row.number} | ({} if row.id is None else {"id": row.id})
        print(strict_json(named | answer))
    if over_lines := [row for row in rows if row.lines > 1]:
        longest = max(over_lines, key=lambda row: row.lines)
        sys.stderr.write(
            f"{len(over_lines):,} of {len(rows):,} texts go over several lines, row {longest.number:,} over"
            f" {longest.lines:,}. If these should be rows of their own, a quote is missing or stray.\n"
        )
    if tokens.unreadable:
        numbers = ", ".join(str(rows[place].number) for place in tokens.unreadable[:20])
        more = ", …" if len(tokens.unreadable) > 20 else ""
        sys.stderr.write(
            f"The model could read nothing of {len(tokens.unreadable):,} of {len(rows):,} texts: they are empty, or"
            f" without one token that its tokenizer knows. What it says of them means nothing: row {numbers}{more}.\n"
        )
    if tokens.truncated:
        sys.stderr.write(
            f"{tokens.truncated:,} of {len(rows):,} texts were cut where the model can read no further.\n"
        )
    return ExitCode.DONE


def _predictor(given: str, published: str, objects: "Objects", arguments: argparse.Namespace) -> "Predictor":
    from w2s_trainer.families.predicting import load_predictor
    from w2s_trainer.models.uri import fetch_directory, fetch_model
    from w2s_trainer.stages.combine.published import is_combination, load_combination

    models = partial(fetch_model, objects=objects, cache=arguments.cache)
    directory = fetch_directory(published, objects, arguments.cache)
    if arguments.students_only or not is_combination(directory):
        return load_predictor(models(published), given)
    predictor = load_combination(directory, models(published), given, models)
    if predictor.teacher is None:
        sys.stderr.write(
            "The teacher could not be published with its model: the students answer without it, while the arm `combined`"
            " of the report was measured with it.\n"
        )
    return predictor


def _published(uri: str, objects: "Objects", cache: Path) -> str:
    """Where the model is: a job's pointer names the place, and what must be in it."""
    from w2s_trainer.models.uri import fetch_directory
    from w2s_trainer.store.artifacts import no_such_job
    from w2s_trainer.store.objects import NoSuchObject

    if not uri.endswith(tuple(f"/{pointer}" for pointer in POINTERS)):
        return uri
    try:
        data = (
            Path(uri.removeprefix("file://")).read_bytes() if uri.startswith("file://") else objects.read(uri)
        )
        pointer = json.loads(data)
        model, files = str(pointer["uri"]), pointer["files"].items()
        if not pointer.get("promoted", True):
            sys.stderr.write(f"This model was refused: {'; '.join(pointer['reasons'])}.\n")
    except NoSuchObject as error:
        raise no_such_job(uri) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(
            "BadPointer", f"{uri}: not the {uri.rpartition('/')[2]} of a job.", "Name the model's prefix."
        ) from error
    directory = fetch_directory(model, objects, cache)
    for name, entry in files:
        if _sha256(directory / name) != entry["sha256"]:
            raise BadData(
                "NotThisModel",
                f"{model}{name} is not the file that {uri} names.",
                "It may just be replaced by another run of the job: try again.",
            )
    return model


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _given_texts(texts: Sequence[str], fields: Sequence[str]) -> Iterator[Input]:
    if texts and fields:
        raise BadData(
            "InputFieldMissing",
            f"The model reads {', '.join(f'`{name}`' for name in fields)} beside each text, which --text cannot give.",
            "Give a FILE whose rows have these fields.",
        )
    for number, text in enumerate(texts, start=1):
        try:
            yield Input(number, text_of(Row(number, {"--text": text}, ["--text"]), "--text"))
        except Unfit as unfit:
            raise BadData("UnusableRow", f"Text {number:,}: {unfit}.", "Leave it out.") from None


def _read(
    path: Path, arguments: argparse.Namespace, fields: Sequence[str], first: int, objects: "Objects"
) -> Iterator[Input]:
    """Yields the rows of a file, or of all files of a folder, read as jobs read them, except that none is left out."""
    text_field, id_field = arguments.text_field, arguments.id_field
    number, id_name, has_ids = first, id_field or DEFAULT_ID_FIELD, False
    for file in expand(f"file://{path.absolute()}{'/' if path.is_dir() else ''}", objects):
        for row in read_rows(file, objects, path.parent, (text_field, id_name, *fields)):
            try:
                if isinstance(row, Unusable):
                    raise Unfit(row.explanation)
                inputs = tuple(input_of(row, name) for name in fields)
                yield Input(number, text_of(row, text_field), _id(row, id_name), inputs, row.lines)
            except Unfit as unfit:
                raise _unusable(file, row, unfit, text_field) from None
            has_ids = has_ids or id_name in row.fields
            number += 1
    if number == first:
        raise BadData("EmptyFile", f"{path} has no rows.", "Give a file with rows.")
    if id_field and not has_ids:
        raise BadData("IdFieldMissing", f"{path}: no row has the field `{id_field}`.", "Correct --id-field.")


def _unusable(file: DataFile, row: Row | Unusable, unfit: Unfit, text_field: str) -> BadData:
    what = f"{file.uri.removeprefix('file://')} row {row.number:,}: {unfit}."
    if row.fields and text_field not in row.fields:
        there = ", ".join(f"`{name}`" for name in row.fields)
        return BadData("UnusableRow", f"{what} It has {there}.", "Name the field by --text-field.")
    return BadData("UnusableRow", what, "Mend the row, or leave it out: each is answered, or none.")


def _id(row: Row, name: str) -> str | int | float | None:
    """The id as it was written; as text where JSON has no such value (a date, a decimal number)."""
    match value_of(row, name):
        case int() as number:
            return number
        case float() as number if math.isfinite(number):
            return number
        case str() as text if not has_lone_surrogate(text):
            return text
        case (Decimal() | date() | UUID()) as value:
            return str(value)
    return key_of(row, name)
