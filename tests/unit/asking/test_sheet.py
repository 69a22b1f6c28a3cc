"""Files for experts: nothing in them runs, and a job reads them back as they were."""

import io
import json
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_api.spec.data import Fields
from w2s_trainer.asking.questions import Answer, Question
from w2s_trainer.asking.sheet import (
    as_csv,
    as_json_lines,
    as_tasks,
    back_from_label_studio,
    check,
    labelling_config,
    table,
)
from w2s_trainer.data.csv_records import read_csv
from w2s_trainer.data.row import Row
from w2s_trainer.data.spreadsheet import guarded, unguarded
from w2s_trainer.errors import BadData

FIELDS = Fields(id="name", text="clause", label="class", group="contract")
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "'=1", "''", "＝1"]
PLAIN = ["", "a=b", "a\nb", 'he said "no", twice', "5", "é ☃", "a, b"]


def question(name: str = "c-1", text: str = "Some text.", teacher: Answer | None = None) -> Question:
    return Question(name, text, "acme", 0.8767, Answer("free", 0.61), teacher)


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_a_program_might_run_has_a_guard(cell):
    assert guarded(cell) == "'" + cell
    assert unguarded(guarded(cell)) == cell


@pytest.mark.parametrize("cell", PLAIN)
def test_what_no_program_runs_stays(cell):
    assert guarded(cell) == unguarded(cell) == cell


@given(st.text())
def test_every_cell_comes_back(cell):
    assert unguarded(guarded(cell)) == cell


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
def test_a_sheet_is_read_as_it_was_written_or_refused(tmp_path_factory, texts):
    rows = table([question(str(n), text) for n, text in enumerate(texts)], FIELDS, why=True)
    path = tmp_path_factory.mktemp("sheet") / "asked.csv"
    path.write_text(as_csv(rows), encoding="utf-8-sig", newline="")
    with suppress(BadData):
        check(path, rows)
    if not path.exists():
        return
    with path.open("rb") as stream:
        read = [row for row in read_csv("asked.csv", stream, vars(FIELDS).values()) if isinstance(row, Row)]
    assert [unguarded(row.values["clause"]) for row in read] == texts


def test_columns_are_called_as_the_job_calls_them():
    (row,) = table([question(teacher=Answer("restricted", 0.99))], FIELDS, why=True)
    assert row == {
        "name": "c-1",
        "clause": "Some text.",
        "class": "",
        "contract": "acme",
        "w2s_uncertainty": "0.877",
        "w2s_combination": "free (0.61)",
        "w2s_teacher": "restricted (0.99)",
    }
    (blind,) = table([question()], Fields(), why=False)
    assert blind == {"id": "c-1", "text": "Some text.", "label": ""}
    (renamed,) = table([question()], Fields(text="id"), why=False)
    assert renamed == {"w2s_id": "c-1", "id": "Some text.", "label": ""}
    assert table([question()], FIELDS, why=True)[0]["w2s_teacher"] == "abstains"


def test_json_lines_hold_the_text_as_it_is():
    (line,) = as_json_lines(table([question(text="=1\n+1")], FIELDS, why=False)).splitlines()
    assert json.loads(line)["clause"] == "=1\n+1"


def test_tasks_and_their_config_name_the_same_things():
    (task,) = json.loads(as_tasks([question()], "w2s job", why=True))
    config = ElementTree.fromstring(labelling_config(["free", 'a "b" & <c>']))
    (shown,), (choices,) = config.iter("Text"), config.iter("Choices")
    assert shown.get("value") == "$text"
    assert task["data"]["text"] == "Some text."
    (result,) = task["predictions"][0]["result"]
    assert (result["from_name"], result["to_name"]) == (choices.get("name"), shown.get("name"))
    assert result["value"] == {"choices": ["free"]}
    assert [one.get("value") for one in config.iter("Choice")] == ["free", 'a "b" & <c>']
    (blind,) = json.loads(as_tasks([question()], "w2s job", why=False))
    assert "predictions" not in blind
    assert set(blind["data"]) == {"text", "w2s_id", "group"}


def test_the_way_back_names_the_jobs_own_fields():
    command = back_from_label_studio(FIELDS)
    for name in ('"name": .data.w2s_id', '"clause": .data.text', '"class": (.annotations[0]'):
        assert name in command


def test_a_sheet_that_reads_otherwise_is_refused(tmp_path: Path):
    rows = table([question()], FIELDS, why=False)
    path = tmp_path / "asked.csv"
    path.write_text(as_csv(rows) + "another,row,,\n", encoding="utf-8-sig", newline="")
    with pytest.raises(BadData, match="would not read these texts"):
        check(path, rows)
    assert io.StringIO(as_csv(rows)).readline() == "name,clause,class,contract\n"
