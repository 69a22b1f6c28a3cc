"""Where the candidate errs, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluate_kit import ArmAnswers, gold_test, says

from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.evaluate.error_groups import error_groups

GOLD = np.zeros(8, dtype=np.int64)
LENGTHS = np.array([10, 20, 30, 40, 50, 60, 70, 80])
TEACHER, STUDENT = [[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 1, 0, 1, 0, 1, 0, 1]]


def groups(test: GoldTest, lengths: Any = LENGTHS, weak: Any = None, candidate: Any = None) -> dict[str, Any]:
    found = error_groups(test, lengths, weak or says(TEACHER), candidate or says(STUDENT))
    return {division["by"]: division["rows"] for division in found}


def test_quartiles_of_length() -> None:
    rows = groups(gold_test(GOLD))["length"]
    assert [row["group"] for row in rows] == [
        "10 to 20 characters",
        "30 to 40 characters",
        "50 to 60 characters",
        "70 to 80 characters",
    ]
    assert [(row["n"], row["candidate"], row["weak"]) for row in rows] == [
        (2, 0.5, 1.0),
        (2, 0.5, 1.0),
        (2, 0.5, 0.0),
        (2, 0.5, 0.0),
    ]


def test_texts_of_one_length_are_one_group() -> None:
    rows = groups(gold_test(GOLD), np.full(8, 1200))["length"]
    assert [(row["group"], row["n"]) for row in rows] == [("1,200 characters", 8)]


def test_confidence_is_that_of_the_decision_even_below_one_half() -> None:
    sure = np.array([0.999, 0.95, 0.85, 0.6, 0.55, 0.4, 0.3, 0.1])
    student = ArmAnswers(np.stack([sure, 1 - sure], axis=-1)[None], np.zeros((1, 8), dtype=bool))
    rows = groups(gold_test(GOLD, positive=0, threshold=0.35), candidate=student)["confidence"]
    assert [(row["group"], row["n"]) for row in rows] == [
        ("0% to 50% sure", 1),  # .4, from the threshold on
        ("50% to 60% sure", 1),
        ("60% to 70% sure", 1),
        ("70% to 80% sure", 1),  # .3: .7 for the other class
        ("80% to 90% sure", 1),
        ("90% to 100% sure", 3),
    ]


def test_vote_of_the_teacher_and_size_of_the_family() -> None:
    weak = replace(says(TEACHER), abstain=np.array([[True, True, False, False, False, False, False, True]]))
    found = groups(gold_test(GOLD, families=np.array([9, 3, 3, 7, 7, 7, 7, 7])), weak=weak)
    assert [(row["group"], row["n"], row["weak"]) for row in found["vote"]] == [
        ("the teacher votes", 5, 0.4),
        ("the teacher abstains", 3, pytest.approx(2 / 3, abs=1e-6)),
    ]
    assert [(row["group"], row["n"], row["candidate"]) for row in found["family"]] == [
        ("alone", 1, 0.0),
        ("in a family of 2 to 4", 2, 0.5),
        ("in a family of 5 or more", 5, 0.6),
    ]


def test_groups_without_texts_are_left_out() -> None:
    assert [row["group"] for row in groups(gold_test(GOLD))["vote"]] == ["the teacher votes"]


def test_a_kind_of_task_without_wrong_answers_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    test = gold_test(GOLD)
    monkeypatch.setattr(type(test.task), "is_wrong", lambda *_: None)
    assert groups(test) == {}
