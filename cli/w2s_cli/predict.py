"""`w2s predict`: what a published model says of texts, as JSON lines."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from w2s_api.exit_codes import ExitCode
from w2s_cli.stage import default_cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help=".jsonl or .csv with a text field")
    parser.add_argument("--model", required=True, help="s3://… prefix, hf://…, or a directory")
    parser.add_argument("--text", action="append", default=[], help="a text; may be given several times")
    parser.add_argument("--text-field", default="text")
    parser.add_argument("--endpoint", help="of the S3 server, if it is not AWS")
    parser.add_argument("--credentials-dir", type=Path)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--batch-tokens", type=int, default=8192)


def main(arguments: argparse.Namespace) -> int:
    """Prints {row, label, probabilities} for each text."""
    from w2s_trainer.models.published import predict
    from w2s_trainer.models.uri import fetch_model
    from w2s_trainer.store.objects import Objects
    from w2s_trainer.store.settings import Patience, StorageSettings

    texts = list(arguments.text)
    if arguments.file:
        texts += _texts(arguments.file, arguments.text_field)
    if not texts:
        sys.stderr.write("give a FILE or --text\n")
        return ExitCode.BAD_DATA
    uri = arguments.model if "://" in arguments.model else f"file://{Path(arguments.model).absolute()}"
    settings = StorageSettings(
        uri=uri if uri.startswith("s3://") else "s3://unused",
        endpoint=arguments.endpoint,
        credentials_dir=arguments.credentials_dir,
    )
    objects = Objects(settings, Patience(denied=0, unavailable=60))
    labels, probabilities = predict(fetch_model(uri, objects, arguments.cache), texts, arguments.batch_tokens)
    for row, values in enumerate(probabilities, start=1):
        chances = {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}
        said = {"row": row, "label": labels[int(values.argmax())], "probabilities": chances}
        print(json.dumps(said, ensure_ascii=False))
    return ExitCode.DONE


def _texts(path: Path, field: str) -> Iterator[str]:
    from w2s_trainer.errors import BadData

    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
            for number, row in enumerate(rows, start=1):
                if not isinstance(row, dict) or not isinstance(row.get(field), str):
                    raise BadData("NoText", f"{path}: row {number} has no field `{field}` with a text.")
                yield row[field]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadData("BadFile", f"{path}: {error}") from error
