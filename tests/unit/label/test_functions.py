import time

import numpy as np
import pytest

from w2s_api.methods.labelers import Functions
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.functions import compile_rules, vote

CLASSES = ("free", "restricted")


def functions(*rules: dict, **more) -> Functions:
    return Functions.model_validate({"rules": list(rules), **more})


def rule(name: str, **what) -> dict:
    return {"className": name, **what}


def test_votes_probabilities_and_abstention_by_hand():
    rules = functions(
        rule("free", pattern="gpl"),
        rule("restricted", pattern="fee"),
        rule("restricted", keywords=["evaluation", "end user"]),
    )
    votes = vote(rules, CLASSES, ["GPL", "a fee for the END USER", "gpl, for a fee", "nothing"])
    assert votes.counts.tolist() == [[1, 0], [0, 2], [1, 1], [0, 0]]
    assert votes.abstain.tolist() == [False, False, True, True]
    # (votes + .25) / (all votes + .25 K)
    assert votes.probabilities[0] == pytest.approx([1.25 / 1.5, 0.25 / 1.5])
    assert votes.probabilities[1] == pytest.approx([0.25 / 2.5, 2.25 / 2.5])


def test_a_tie_below_the_top_is_no_abstention():
    rules = Functions.model_validate(
        {"rules": [rule("a", pattern="x"), rule("a", pattern="y"), rule("b", pattern="z")]}
    )
    assert vote(rules, ("a", "b", "c"), ["x y z"]).abstain.tolist() == [False]


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("an evaluation copy", True),
        ("Evaluation", True),
        ("evaluations", False),
        ("reevaluation", False),
        ("(evaluation)", True),
        ("évaluation", False),
        ("a.b (c)", True),
    ],
)
def test_keywords_are_whole_words_and_not_patterns(text, matches):
    rules = functions(rule("free", keywords=["evaluation", "a.b (c)"]))
    assert bool(vote(rules, CLASSES, [text]).counts[0, 0]) is matches


def test_only_the_beginning_is_searched():
    rules = functions(rule("free", pattern="gpl"), maxCharacters=10)
    assert vote(rules, CLASSES, ["1234567gpl", "12345678gpl"]).counts[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("pattern", "position"),
    [("gpl(v2|v3", 9), ("a[bc", 2), ("a**)", 3), ("ab)c", 3), (r"x(?=y)", 4), ("*a", 1)],
)
def test_a_pattern_that_does_not_compile_is_named_with_its_position(pattern, position):
    rules = functions(rule("free", pattern="fine"), rule("free", pattern=pattern))
    with pytest.raises(BadSpec) as error:
        compile_rules(rules, "spec.weak.labelers[1].functions")
    assert error.value.reason == "BadRegex"
    assert "spec.weak.labelers[1].functions.rules[1].pattern" in error.value.message
    assert f"at character {position}" in error.value.message


def test_time_is_linear_where_backtracking_would_never_end():
    began = time.process_time()
    vote(functions(rule("free", pattern="(a+)+$")), CLASSES, ["a" * 100_000 + "b"])
    assert time.process_time() - began < 1


def test_votes_are_of_the_task_s_order():
    votes = vote(functions(rule("restricted", pattern="fee")), CLASSES, ["fee"])
    assert np.argmax(votes.probabilities[0]) == 1
