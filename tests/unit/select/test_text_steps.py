"""Steps that select written texts, by hand."""

import numpy as np
import pytest
from written_kit import selected_texts

from w2s_api.methods.selection_steps import SELECTION_STEPS
from w2s_trainer.errors import BadData
from w2s_trainer.stages.select import summary_of

SOURCE = "In 1991 Linus Torvalds released Linux, a kernel of 10,239 lines."
GROUNDED = [
    ("It was released in 1991 by Linus Torvalds.", SOURCE),  # 2 of 2
    ("It was released in 1992 by Linus Torvalds.", SOURCE),  # 1 of 2
    ("It was released by Richard Stallman.", SOURCE),  # 0 of 1
    ("he called it \u201ca hobby\u201d in 1991", SOURCE),  # 1 of 2
    ("nothing to look for", SOURCE),
]
LOOP = "the licence of " * 8
SHAPES = [
    ("a short text", "a source of five words"),  # 3 / 5
    (LOOP, "a source of five words"),
    ("one two three four five one two three four five six", "a source of five words"),  # 2 of 8 runs; 11 / 5
    ("a b c d a b c d a b c", "a source of five words"),  # 4 of 8 runs; 11 / 5
    ("word", "a source of five words"),  # 1 / 5
]
STEPS = {
    "Groundedness": {"groundedness": {"atLeast": "1"}},
    "Shape": {"shape": {}},
    "Agreement": {"agreement": {"atLeast": "0.5"}},
}


def step(name, **given):
    field = name[0].lower() + name[1:]
    return {"type": name, field: {**STEPS[name][field], **given}}


def kept(selected) -> list[int]:
    return selected.left.rows.tolist()


def test_all_steps_for_texts_are_here():
    """Those that ask a model are in `test_likelihood` and `test_judge`, those that edit in `test_refinement`."""
    of_texts = {
        name
        for name, step in SELECTION_STEPS.items()
        if "Generation" in step.only_for and not step.asks_question
    }
    assert STEPS.keys() | {"Refinement"} == of_texts


@pytest.mark.parametrize(("least", "rows"), [("1", [0, 4]), ("0.5", [0, 1, 3, 4]), ("0.51", [0, 4])])
def test_texts_are_kept_by_the_share_that_stands_in_the_source(least, rows):
    assert kept(selected_texts(GROUNDED, step("Groundedness", atLeast=least))) == rows


def test_the_audit_says_what_dropped_texts_had_invented():
    (audit,) = selected_texts(GROUNDED, step("Groundedness")).audit
    assert (audit["before"], audit["after"]) == (5, 2)
    assert audit["figures"] == {
        "checkable": 4,
        "meanShare": 0.5,  # (1 + 1/2 + 0 + 1/2) / 4
        "dropped": {"numbers": 1, "names": 1, "quotations": 1},
    }


@pytest.mark.parametrize(
    ("given", "rows", "dropped"),
    [
        ({}, [0, 2, 3, 4], {"loops": 1}),
        ({"mostRepeated": "0.4"}, [0, 2, 4], {"loops": 1, "repeated": 1}),
        ({"shortestRatio": "0.5"}, [0, 2, 3], {"loops": 1, "short": 1}),
        ({"longestRatio": "2"}, [0, 4], {"loops": 1, "long": 2}),
        ({"longestRatio": "2.2"}, [0, 2, 3, 4], {"loops": 1}),
        ({"lengthsIn": "Characters", "shortestRatio": "0.5"}, [0, 2, 3], {"loops": 1, "short": 1}),
        ({"lengthsIn": "Characters", "longestRatio": "0.54"}, [4], {"loops": 1, "long": 3}),
    ],
)
def test_what_is_broken_is_dropped_and_its_reason_counted(given, rows, dropped):
    selected = selected_texts(SHAPES, step("Shape", **given))
    assert kept(selected) == rows
    found = selected.audit[0]["figures"]["dropped"]
    assert {reason: count for reason, count in found.items() if count} == dropped


def test_the_audit_has_the_lengths_that_there_are():
    (audit,) = selected_texts(SHAPES[:1] * 19 + SHAPES[4:], step("Shape")).audit
    # linear between order statistics: rank .05 * 19 = .95 of .2, .6, ...
    assert audit["figures"]["lengthRatio"] == {"p05": 0.58, "median": 0.6, "p95": 0.6}


TEXTS = ["gpl-2.0", "mit", "mit", "apache 2.0", "isc"]
THREE = {
    "first": ["gpl-2.0", "mit", "mit", "apache 2.0", "isc"],
    "second": ["GPL-2.0 ", "bsd", "", "apache 2", ""],
    "third": ["lgpl-2.1", "isc", "", "", "isc"],
}
"""Of those that answer agree: 2 of 3, 1 of 3, 1 of 1, 1 of 2, 2 of 2."""


@pytest.mark.parametrize(
    ("given", "rows", "dropped"),
    [
        ({}, [0, 2, 3, 4], {"fewAnswers": 0, "disagree": 1}),
        ({"atLeast": "0.666667"}, [2, 4], {"fewAnswers": 0, "disagree": 3}),
        ({"atLeast": "0.666666"}, [0, 2, 4], {"fewAnswers": 0, "disagree": 2}),
        ({"leastAnswers": 2}, [0, 3, 4], {"fewAnswers": 1, "disagree": 1}),
        # words of "apache 2" are in "apache 2.0", which has three: F1 = 4 / 5
        ({"atLeast": "1", "by": "TokenF1"}, [2, 3, 4], {"fewAnswers": 0, "disagree": 2}),
        (
            {"atLeast": "1", "by": "TokenF1", "leastSimilarity": "0.81"},
            [2, 4],
            {"fewAnswers": 0, "disagree": 3},
        ),
    ],
)
def test_texts_are_kept_by_the_share_of_labelers_that_agree(given, rows, dropped):
    pairs = [(text, "") for text in TEXTS]
    selected = selected_texts(pairs, step("Agreement", **given), opinions=THREE)
    assert kept(selected) == rows
    figures = selected.audit[0]["figures"]
    assert figures["dropped"] == dropped
    assert figures["meanAnswers"] == 2.2
    if "by" not in given:
        assert figures["meanAgreement"] == pytest.approx((2 / 3 + 1 / 3 + 1 + 1 / 2 + 1) / 5, abs=1e-6)


def test_labelers_disagree_where_their_texts_are_not_equal_in_the_form_of_comparison():
    """On the first, the second and the fourth text; of these the step drops the second."""
    pairs = [(text, "") for text in TEXTS]
    (audit,) = selected_texts(pairs, step("Agreement"), opinions=THREE).audit
    assert audit["disagreed"] == {"kept": 0.5, "dropped": 1.0}
    spaces = {"a": ["MIT  License"], "b": [" mit license"]}
    (audit,) = selected_texts([("mit license", "")], step("Agreement"), opinions=spaces).audit
    assert audit["disagreed"] == {"kept": 0.0, "dropped": None}


@pytest.mark.parametrize("name", STEPS)
def test_the_order_of_rows_changes_nothing(name):
    pairs = [*GROUNDED, *SHAPES, *((text, SOURCE) for text in TEXTS)]
    opinions = {"a": [text for text, _ in pairs], "b": ["mit"] * len(pairs), "c": ["isc"] * len(pairs)}
    order = np.random.default_rng(0).permutation(len(pairs)).tolist()
    first = selected_texts(pairs, step(name), opinions=opinions)
    again = selected_texts(
        [pairs[row] for row in order],
        step(name),
        opinions={labeler: [said[row] for row in order] for labeler, said in opinions.items()},
    )
    assert kept(first) == sorted(order[row] for row in kept(again))
    assert 0 < len(kept(first)) < len(pairs)
    assert first.audit == again.audit


def test_steps_follow_one_another_and_abstentions_are_never_selected(summary_is_documented):
    pairs = [("", SOURCE), *GROUNDED, (LOOP, SOURCE)]
    selected = selected_texts(pairs, step("Shape"), step("Groundedness"))
    assert kept(selected) == [1, 5]
    assert [(one["before"], one["after"]) for one in selected.audit] == [(6, 5), (5, 2)]
    assert selected.audit[0]["classesBefore"] == selected.audit[0]["classesAfter"] == {}
    summary = summary_of({-1: selected})
    summary_is_documented(summary, "select")
    assert summary["warnings"] == []


def test_a_step_that_leaves_nothing_is_refused():
    with pytest.raises(BadData, match="left none of 1 weak labels") as refused:
        selected_texts(GROUNDED[2:3], step("Groundedness"))
    assert refused.value.reason == "NothingSelected"
