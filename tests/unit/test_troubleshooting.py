"""docs/troubleshooting.md has every reason that a status can have: whoever searches for one finds it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from w2s_api.exit_codes import FINAL
from w2s_api.status import ConditionStatus, ConditionType, StageState
from w2s_operator.planning.outcome import RunVerdict
from w2s_trainer import errors

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
OPERATOR = ROOT / "operator/w2s_operator"
PLANNER = sorted(path for place in ("planning", "status") for path in (OPERATOR / place).rglob("*.py"))
TRAINER = sorted((ROOT / "trainer/w2s_trainer").rglob("*.py"))

WORD = re.compile(r"[A-Z][A-Za-z]+")
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
OTHER_WORDS = {
    *get_args(StageState),
    *get_args(ConditionType),
    *get_args(ConditionStatus),
    *get_args(RunVerdict),
    *("Normal", "Warning"),  # types of Events
    "Succeeded",  # a phase of pods
    "FailedIndexes",  # what a Job says; we say ShardLost
    "Refusal",  # a type, named ahead
    *("NextRun", "Over", "Superseded"),  # why a Job is deleted: for the log
}
"""Words of the planner that are no reasons, or that are reasons only as the state they are."""
BESIDE_THE_PLANNER = {
    OPERATOR / "worker.py": {"InvalidPodSettings"},
    OPERATOR / "requests.py": {"NameTaken"},
    OPERATOR / "cluster/views.py": {"InitContainerFailed", "PodFailed", "StartError", "ContainerCannotRun"},
}
ON_A_LAPTOP = {"EmbeddedStoreFailed", "EmbeddedStoreInUse", "NoEmbeddedStore"}
"""Reasons of `w2s run` alone."""


@pytest.fixture(scope="module")
def named() -> set[str]:
    return set(re.findall(r"`([A-Za-z_]+)`", PAGE.read_text()))


def constants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
            yield node.value


def of_the_trainer(path: Path) -> Iterator[str]:
    """First arguments of errors, and of last words that failed or stopped."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ERRORS and node.args and not isinstance(node.args[0], ast.JoinedStr):
            yield from constants(node.args[0])
        if node.func.id == "LastWords" and len(node.args) > 1:
            yield from constants(node.args[1])


def test_every_reason_of_the_planner_is_on_the_page(named):
    written = {word for path in PLANNER for word in constants(ast.parse(path.read_text()))}
    assert {"NodeLost", "ResultLost", "PendingDeadlineExceeded"} <= written
    assert written - OTHER_WORDS - named == set()


@pytest.mark.parametrize("path", BESIDE_THE_PLANNER, ids=lambda path: path.stem)
def test_every_reason_beside_the_planner_is_on_the_page(named, path):
    reasons = BESIDE_THE_PLANNER[path]
    assert reasons <= set(constants(ast.parse(path.read_text())))
    assert reasons - named == set()


def test_every_reason_of_a_stage_is_on_the_page(named):
    raised = {word for path in TRAINER for word in of_the_trainer(path)}
    assert {"WrongCredentials", "InternalError", "LostPeer", "ClassNotInBudget"} <= raised
    assert raised - ON_A_LAPTOP - named == set()


def test_states_and_exit_codes_that_stand_for_a_reason_are_on_the_page(named):
    assert {*get_args(StageState)} - {"Waiting", "Done", "Reused"} - named == set()
    assert {code.name for code in FINAL} - named == set()


def test_every_link_on_the_page_leads_somewhere():
    text = PAGE.read_text()
    for file, anchor in re.findall(r"\]\(([\w.-]*)#?([\w-]*)\)", text):
        target = PAGE.with_name(file) if file else PAGE
        assert target.is_file(), file
        titles = [
            title.lower().replace(" ", "-") for title in re.findall(r"(?m)^#+ (.+)$", target.read_text())
        ]
        assert not anchor or anchor in titles, (file, anchor)
