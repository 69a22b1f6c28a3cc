"""decisions.csv: what stands in it, and what a spreadsheet makes of it."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from evaluate_kit import gold_test, says

from w2s_trainer.stages.evaluate.decision_table import decision_table

GOLD = np.array([0, 1, 1])


def rows_of(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table, newline="")))


def test_a_row_for_each_text_with_the_first_seed_s_decisions() -> None:
    arms = {"weak": says([[0, 0, 1]]), "strong": says([[0, 1, 1], [1, 0, 0]])}
    test = gold_test(GOLD, families=np.array([70, 5, 70]), positive=1)
    table = decision_table(test, ["x", "y", "z"], arms, "strong")
    assert table.splitlines()[0] == "id,family,gold,weak,strong,probability"
    assert [list(row.values()) for row in rows_of(table)] == [
        ["x", "1", "other", "other", "other", "0.800000"],
        ["y", "2", "wanted", "other", "wanted", "0.800000"],
        ["z", "1", "wanted", "wanted", "wanted", "0.800000"],
    ]


def test_the_threshold_decides_as_everywhere() -> None:
    arms = {"weak": says([GOLD]), "strong": says([[0, 0, 0]])}
    table = decision_table(gold_test(GOLD, positive=1, threshold=0.2), ["x", "y", "z"], arms, "strong")
    assert [(row["strong"], row["probability"]) for row in rows_of(table)] == [("wanted", "0.200000")] * 3


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("a=1", "a=1"),
        ('say "hello", then', 'say "hello", then'),
        ("two\nlines", "two\nlines"),
        ("'quoted", "'quoted"),
    ],
)
def test_no_id_is_a_formula(name: str, written: str) -> None:
    arms = {"weak": says([[0]]), "strong": says([[0]])}
    (row,) = rows_of(decision_table(gold_test(GOLD[:1]), [name], arms, "strong"))
    assert row["id"] == written


@pytest.mark.parametrize(
    ("name", "written"), [("=cmd()", "'=cmd()"), ("-1.5", "-1.5"), ("+", "'+"), ("-inf", "'-inf")]
)
def test_labels_that_are_numbers_stay_numbers(name: str, written: str) -> None:
    test = gold_test(GOLD, class_names=(name, "b"))
    table = decision_table(test, ["x", "y", "z"], {"weak": says([GOLD]), "strong": says([GOLD])}, "strong")
    assert rows_of(table)[0]["gold"] == rows_of(table)[0]["weak"] == written


def test_without_probabilities_there_is_no_such_column(monkeypatch: pytest.MonkeyPatch) -> None:
    test = gold_test(GOLD)
    monkeypatch.setattr(type(test.task), "confidence", lambda *_: None)
    arms = {"weak": says([GOLD]), "strong": replace(says([GOLD]))}
    assert "probability" not in decision_table(test, ["x", "y", "z"], arms, "strong").splitlines()[0]
