"""Questions as files that an expert can fill in and a job can read again (docs/asking.md). Pure but for `check`."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from w2s_api.spec.data import Fields
from w2s_trainer.asking.questions import Question
from w2s_trainer.data.row import Row
from w2s_trainer.data.spreadsheet import guarded
from w2s_trainer.errors import BadData
from w2s_trainer.json_text import strict_json

WHY = ("w2s_uncertainty", "w2s_combination", "w2s_teacher")
"""Columns that say why a text was chosen."""
CONTROL, TEXT, ID = "label", "text", "w2s_id"
"""Names in the tasks of Label Studio; `id` would be its own."""


def table(questions: Sequence[Question], fields: Fields, why: bool) -> list[dict[str, str]]:
    """One row a question: id, text, an empty label, the group where the job has one, and why."""
    return [
        {
            _id_name(fields): question.id,
            fields.text: question.text,
            fields.label: "",
            **({fields.group: question.group or ""} if fields.group else {}),
            **(_why(question) if why else {}),
        }
        for question in questions
    ]


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """The rows as CSV whose cells no spreadsheet program takes for a formula."""
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in rows)
    return written.getvalue()


def as_json_lines(rows: Sequence[Mapping[str, str]]) -> str:
    """The rows as JSON lines."""
    return "".join(strict_json(dict(row)) + "\n" for row in rows)


def as_tasks(questions: Sequence[Question], model: str, why: bool) -> str:
    """The questions in the import format of Label Studio, with the combination's answers as its predictions."""
    tasks = []
    for question in questions:
        data = {TEXT: question.text, ID: question.id}
        if question.group is not None:
            data["group"] = question.group
        shown: dict[str, object] = {"data": data}
        if why:
            data |= _why(question)
            shown["predictions"] = [_prediction(question, model)]
        tasks.append(shown)
    return strict_json(tasks, indent=1) + "\n"


def labelling_config(classes: Sequence[str]) -> str:
    """The labelling config that the tasks are for, as XML."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in classes)
    return (
        f'<View>\n  <Text name="{TEXT}" value="${TEXT}"/>\n'
        f'  <Choices name="{CONTROL}" toName="{TEXT}" choice="single" required="true">\n{choices}\n  </Choices>\n</View>\n'
    )


def back_from_label_studio(fields: Fields) -> str:
    """The command that makes JSON lines for `data.asked` of a JSON export of Label Studio."""
    names = {
        _id_name(fields): f".data.{ID}",
        fields.text: f".data.{TEXT}",
        fields.label: '(.annotations[0].result[0].value.choices[0] // "")',
    }
    made = ", ".join(f"{strict_json(name)}: {value}" for name, value in names.items())
    return f"jq -c '.[] | {{{made}}}' EXPORT.json > asked.jsonl"


def check(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Reads a CSV file as a job does, and removes it if that gives anything but the rows.

    Raises:
        BadData: it does: what a text looks like may be taken for a broken quote.
    """
    from w2s_trainer.data.csv_records import read_csv

    with path.open("rb") as stream:
        read = [row.values if isinstance(row, Row) else None for row in read_csv(str(path), stream, ())]
    expected = [{name: guarded(cell) for name, cell in row.items()} for row in rows]
    if read != expected:
        path.unlink()
        raise BadData(
            "UnreadableSheet",
            f"{path}: a job would not read these texts from CSV as they are.",
            "Give a name that ends in .jsonl.",
        )


def _id_name(fields: Fields) -> str:
    if fields.id:
        return fields.id
    return "id" if "id" not in (fields.text, fields.label, fields.group) else ID


def _why(question: Question) -> dict[str, str]:
    teacher = question.teacher
    said = question.combination
    values = (
        f"{question.uncertainty:.3f}",
        f"{said.label} ({said.probability:.2f})",
        "abstains" if teacher is None else f"{teacher.label} ({teacher.probability:.2f})",
    )
    return dict(zip(WHY, values, strict=True))


def _prediction(question: Question, model: str) -> dict[str, object]:
    chosen = {
        "from_name": CONTROL,
        "to_name": TEXT,
        "type": "choices",
        "value": {"choices": [question.combination.label]},
    }
    return {
        "model_version": model,
        "score": round(question.combination.probability, 4),
        "result": [chosen],
    }
