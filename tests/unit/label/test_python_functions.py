"""Labelling functions of a user's module: votes, abstentions, and everything that such code does wrong."""

import sys
import textwrap
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from label_kit import label_context

from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.methods import check, opinions_of, tell
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import EVERY_SEED, Examples

MODULE = """
import re

ABSTAIN = None

def has_fee(text):
    return "restricted" if "fee" in text else ABSTAIN

def as_in_snorkel(x):
    return "free" if re.search("gpl", x.text.lower()) else None

def breaks_on_dots(text):
    if "." in text:
        raise ValueError(f"what about {text}")
    return "free" if "lgpl" in text.lower() else None

def always_breaks(text):
    return text.nothing

def leaves(text):
    raise SystemExit(3)

def wrong(text):
    return 1

def unknown(text):
    return "fre"

def never_ends(text):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass

def backtracks(text):
    return re.match("(a+)+$", "a" * 40 + "b")

ALL = [has_fee, as_in_snorkel]
NONE = []
NUMBER = 3
"""
TEXTS = ["GPL", "a fee", "gpl for a fee", "nothing"]


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    folder = tmp_path / "code"
    folder.mkdir()
    name = f"rules_{abs(hash(str(tmp_path)))}"
    (folder / f"{name}.py").write_text(MODULE)
    monkeypatch.setenv("W2S_FUNCTIONS_DIR", str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return name


def labeler_of(module: str, *functions: str, **more: Any) -> Labeler:
    settings = {"module": module, "functions": list(functions), "revision": "1", **more}
    return Labeler.model_validate({"name": "code", "type": "Python", "python": settings})


def ask(tmp_path, labeler: Labeler, texts=TEXTS, parts=None):
    spec = SimpleNamespace(
        task=Task(classes=[{"name": "free"}, {"name": "restricted"}]),
        weak=SimpleNamespace(labelers=[labeler]),
        evaluation=SimpleNamespace(positive_threshold="0.5"),
    )
    context = label_context(tmp_path, spec=spec)
    n = len(texts)
    examples = Examples(
        [f"row-{number}" for number in range(n)], texts, np.array(parts or ["pool"] * n), np.arange(n)
    )
    said = opinions_of(labeler)(context, labeler, examples, np.arange(n))[EVERY_SEED]
    return context, said


def refused(tmp_path, labeler: Labeler, texts=TEXTS) -> BadSpec:
    with pytest.raises(BadSpec) as error:
        ask(tmp_path, labeler, texts)
    assert "\n" not in str(error.value)
    return error.value


def test_functions_of_both_manners_vote(tmp_path, module):
    _, said = ask(tmp_path, labeler_of(module, "has_fee", "as_in_snorkel"))
    assert said.scores.tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]
    assert said.abstain.tolist() == [False, False, True, True]
    assert said.targets[0] == pytest.approx([1.25 / 1.5, 0.25 / 1.5])
    figures = said.figures["functions"]
    assert figures["votes"] == {"has_fee": 2, "as_in_snorkel": 2}
    assert figures["classes"] == {"free": 2, "restricted": 2}
    assert len(figures["code"]) == 64


def test_a_list_of_functions_is_its_functions_and_each_votes_once(tmp_path, module):
    _, said = ask(tmp_path, labeler_of(module, "ALL", "has_fee"))
    assert list(said.figures["functions"]["votes"]) == ["has_fee", "as_in_snorkel"]
    assert said.scores[1].tolist() == [0, 1]


def test_only_votes_on_the_pool_are_counted(tmp_path, module):
    _, said = ask(tmp_path, labeler_of(module, "has_fee"), parts=["test", "test", "pool", "pool"])
    assert said.figures["functions"]["votes"] == {"has_fee": 1}
    assert said.figures["functions"]["texts"] == 2


def test_an_error_is_an_abstention_with_its_place_and_without_the_text(tmp_path, module):
    texts = ["a secret.", *["LGPL"] * 30]
    labeler = labeler_of(module, "breaks_on_dots")
    context, said = ask(tmp_path, labeler, texts)
    assert said.abstain[0]
    line = next(n for n, code in enumerate(MODULE.splitlines(), 1) if "raise ValueError" in code)
    assert said.figures["functions"]["errors"] == {
        "breaks_on_dots": {"texts": 1, "first": f"ValueError at {module}.py:{line}"}
    }
    warned = tell(context, labeler, {"functions": {"-1": said.figures["functions"]}})
    assert warned == 2
    assert "`breaks_on_dots` raised an error on 1 texts, where it abstains" in context.progress[-1]
    assert not any("secret" in line for line in context.progress)


def test_errors_on_too_many_texts_end_the_job(tmp_path, module):
    texts = [*["a.b"] * 4, *["LGPL"] * 30]
    said = refused(tmp_path, labeler_of(module, "breaks_on_dots"), texts)
    assert said.reason == "FunctionFails"
    assert "spec.weak.labelers[0].python: `breaks_on_dots` raises an error on 4 of 34 texts" in said.message
    assert ask(tmp_path, labeler_of(module, "breaks_on_dots", maxErrorShare="0.2"), texts)


@pytest.mark.parametrize(("name", "what"), [("always_breaks", "AttributeError"), ("leaves", "SystemExit")])
def test_errors_on_all_texts_end_the_job_at_the_first_batch(tmp_path, module, name, what):
    said = refused(tmp_path, labeler_of(module, "has_fee", name, maxErrorShare="1"), TEXTS * 500)
    assert (
        f"`{name}` raises an error on each of the first 256 texts; the first: {what} at {module}.py"
        in said.message
    )


@pytest.mark.parametrize(("name", "what"), [("wrong", "returned 1"), ("unknown", "returned 'fre'")])
def test_what_is_no_class_ends_the_job(tmp_path, module, name, what):
    said = refused(tmp_path, labeler_of(module, name))
    assert said.reason == "VoteOutsideClasses"
    assert what in said.message


@pytest.mark.parametrize("name", ["never_ends", "backtracks"])
def test_a_function_that_takes_too_long_is_named_with_the_text(tmp_path, module, name):
    began = time.monotonic()
    said = refused(tmp_path, labeler_of(module, "has_fee", name, maxSecondsPerText="0.05"))
    assert time.monotonic() - began < 20
    assert said.reason == "FunctionTooSlow"
    assert f"`{name}` took more than 0.05 s on the text with the id row-0" in said.message


@pytest.mark.parametrize(
    ("functions", "reason", "says"),
    [
        (["has_fe"], "NoSuchFunction", "functions[0]: the module"),
        (["NUMBER"], "NoSuchFunction", "neither a function nor a list"),
        (["NONE"], "NoSuchFunction", "neither a function nor a list"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(module, functions, reason, says):
    with pytest.raises(BadSpec) as error:
        check(labeler_of(module, *functions).settings, "spec.weak.labelers[0].python")
    assert error.value.reason == reason
    assert says in error.value.message


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (None, "NoSuchModule", "there is no module"),
        ("import not_there_either", "BadModule", "ModuleNotFoundError"),
        ("def f(:", "BadModule", "SyntaxError"),
        ("raise SystemExit(0)", "BadModule", "SystemExit"),
        ("1 / 0", "BadModule", "ZeroDivisionError at "),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_in_a_line(tmp_path, module, code, reason, says):
    name = f"{module}_other"
    if code:
        (tmp_path / "code" / f"{name}.py").write_text(textwrap.dedent(code))
    with pytest.raises(BadSpec) as error:
        check(labeler_of(name, "f").settings, "spec.weak.labelers[0].python")
    assert error.value.reason == reason
    assert error.value.message.startswith("spec.weak.labelers[0].python.module: ")
    assert says in error.value.message
    assert "\n" not in str(error.value)


def test_other_code_is_another_digest(tmp_path, module):
    first = ask(tmp_path, labeler_of(module, "has_fee"))[1].figures["functions"]["code"]
    other = tmp_path / "code" / f"{module}_b.py"
    other.write_text(MODULE + "\n# another line\n")
    assert ask(tmp_path, labeler_of(f"{module}_b", "has_fee"))[1].figures["functions"]["code"] != first


def test_shards_of_two_versions_of_the_code_are_told(tmp_path, module):
    labeler = labeler_of(module, "has_fee", "breaks_on_dots", maxErrorShare="1")
    context, said = ask(tmp_path, labeler, ["a fee.", "lgpl"])
    one = {"rows": 2, "abstained": 0, "truncated": 0, "functions": {"-1": said.figures["functions"]}}
    whole = whole_summary({"shards": [one, one]})
    found = whole["functions"]["-1"]
    assert found["votes"] == {"has_fee": 2, "breaks_on_dots": 2}
    assert found["errors"]["breaks_on_dots"]["texts"] == 2
    assert (found["texts"], found["codes"]) == (4, 1)
    other = {**one, "functions": {"-1": {**said.figures["functions"], "code": "other"}}}
    tell(context, labeler, whole_summary({"shards": [one, other]}))
    assert "labelled by 2 versions of the code: change `revision`" in context.progress[-1]
