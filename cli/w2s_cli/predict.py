"""`w2s predict`: what a published model says of texts, as JSON lines."""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from w2s_api.exit_codes import ExitCode
from w2s_cli.stage import default_cache

if TYPE_CHECKING:
    from w2s_trainer.store.objects import Objects

POINTER = "model.json"
LONGEST_CSV_FIELD = 1 << 30


@dataclass(frozen=True)
class Row:
    """One text, with what tells it from the others."""

    number: int
    """From 1: of --text first, then of the rows of the file."""
    text: str
    id: str | int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help=".jsonl or .csv with a text field")
    parser.add_argument(
        "--model",
        required=True,
        metavar="URI",
        help="a job's model.json, an s3://… prefix, hf://…, file://… or a directory",
    )
    parser.add_argument("--text", action="append", default=[], help="a text; may be given several times")
    parser.add_argument("--text-field", default="text", metavar="NAME")
    parser.add_argument("--id-field", default="id", metavar="NAME", help="is repeated where a row has it")
    parser.add_argument("--endpoint", metavar="URL", help="of the S3 server, if it is not AWS")
    parser.add_argument("--credentials-dir", type=Path, metavar="DIR", help="files of a mounted Secret")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="where models are kept"
    )
    parser.add_argument(
        "--batch-tokens", type=int, default=8192, metavar="N", help="lower it if memory runs out"
    )


def main(arguments: argparse.Namespace) -> int:
    """Prints {row, id, label, probabilities} for each text."""
    if not arguments.file and not arguments.text:
        sys.stderr.write("Nothing to decide about: give a FILE or --text.\n")
        return ExitCode.BAD_SPEC
    rows = [Row(number, text) for number, text in enumerate(arguments.text, start=1)]
    if arguments.file:
        rows += _rows(arguments.file, arguments.text_field, arguments.id_field, first=len(rows) + 1)

    from w2s_trainer.json_text import strict_json
    from w2s_trainer.models.published import load_classifier
    from w2s_trainer.store.objects import Objects
    from w2s_trainer.store.settings import Patience, StorageSettings

    given = arguments.model
    uri = given if "://" in given else f"file://{Path(given).absolute()}"
    settings = StorageSettings(
        uri=uri if uri.startswith("s3://") else "s3://unused",
        endpoint=arguments.endpoint,
        credentials_dir=arguments.credentials_dir,
    )
    directory = _model(uri, Objects(settings, Patience(denied=0, unavailable=60)), arguments.cache)
    classifier = load_classifier(directory, given)
    probabilities, tokens = classifier.probabilities([row.text for row in rows], arguments.batch_tokens)
    labels = classifier.labels
    for row, values in zip(rows, probabilities, strict=True):
        chances = {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}
        said: dict[str, Any] = {"row": row.number} | ({} if row.id is None else {"id": row.id})
        said |= {"label": labels[int(values.argmax())], "probabilities": chances}
        print(strict_json(said))
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


def _model(uri: str, objects: "Objects", cache: Path) -> Path:
    """The model's directory. A job's pointer says what must be in it."""
    from w2s_trainer.errors import BadData
    from w2s_trainer.models.uri import fetch_directory, fetch_model

    if not uri.endswith(f"/{POINTER}"):
        return fetch_model(uri, objects, cache)
    try:
        data = (
            Path(uri.removeprefix("file://")).read_bytes() if uri.startswith("file://") else objects.read(uri)
        )
        pointer = json.loads(data)
        model, files = pointer["uri"], pointer["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(
            "BadPointer", f"{uri}: not the {POINTER} of a job.", "Name the model's prefix."
        ) from error
    directory = fetch_directory(model, objects, cache)
    for name, said in files:
        if _sha256(directory / name) != said["sha256"]:
            raise BadData(
                "NotThisModel",
                f"{model}{name} is not the file that {uri} names.",
                "It may just be replaced by another run of the job: try again.",
            )
    return fetch_model(model, objects, cache)


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(path: Path, text_field: str, id_field: str, first: int) -> Iterator[Row]:
    from w2s_trainer.errors import BadData

    number = first
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for place, row in _csv(file) if path.suffix.lower() == ".csv" else _jsonl(file):
                if not isinstance(row, dict) or not isinstance(row.get(text_field), str):
                    fields = f" It has {', '.join(map(str, row))}." if isinstance(row, dict) else ""
                    raise BadData(
                        "NoText",
                        f"{path}:{place}: there is no text in a field `{text_field}`.{fields}",
                        "Name the field by --text-field.",
                    )
                said = row.get(id_field)
                yield Row(number, row[text_field], said if isinstance(said, str | int) else None)
                number += 1
    except UnicodeDecodeError as error:
        raise BadData("NotUTF8", f"{path}: not UTF-8 text.", "Convert it.") from error
    except OSError as error:
        raise BadData("BadFile", f"{path}: {error.strerror}.") from error
    if number == first:
        raise BadData("NoRows", f"{path}: there are no rows in it.")


def _jsonl(file: IO[str]) -> Iterator[tuple[int, Any]]:
    from w2s_trainer.errors import BadData

    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            yield line, json.loads(text)
        except ValueError as error:
            raise BadData("NotJSON", f"{file.name}:{line}: not a line of JSON ({error}).") from error


def _csv(file: IO[str]) -> Iterator[tuple[int, Any]]:
    from w2s_trainer.errors import BadData

    csv.field_size_limit(LONGEST_CSV_FIELD)
    reader = csv.DictReader(file)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadData("NotCSV", f"{file.name}:{reader.line_num}: not CSV ({error}).") from error
