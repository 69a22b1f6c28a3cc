"""Edits of written texts: what each operation does, that each is recorded, and that nothing else happens."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import lists, sampled_from, text
from written_kit import selected_texts, weak_of

from w2s_api.methods.selection_steps import Refinement
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.stages.select.changes import with_changes
from w2s_trainer.stages.select.refined import write_refined
from w2s_trainer.stages.select.refinement import check, operations_of
from w2s_trainer.stages.tables import EVERY_SEED, read_refined, refined_examples


def edits(*given):
    return {"type": "Refinement", "refinement": {"edits": list(given)}}


def edited(written: str, *given) -> str:
    for operation in operations_of(Refinement.model_validate({"edits": list(given)})):
        written = operation(written)
    return written


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        ({"type": "DropLine", "pattern": "^note"}, "a\nNote: b\nc", "a\nc"),
        ({"type": "DropLine", "pattern": "(?-i)^note"}, "a\nNote: b\nc", "a\nNote: b\nc"),
        ({"type": "DropLine", "pattern": r"^\s*$"}, "a\r\n\r\n \nb", "a\r\nb"),
        ({"type": "DropLine", "pattern": "b$"}, "a b\r\nc", "c"),
        ({"type": "Remove", "pattern": r" \(c\) [0-9]{4}"}, "MIT (c) 1998, (C) 2001 ISC", "MIT, (C) 2001 ISC".replace(" (C) 2001", "")),
        ({"type": "Remove", "pattern": "x*"}, "axxb", "ab"),
        ({"type": "Replace", "pattern": r"\bv\.? ?([0-9.]+)", "replacement": "version {1}"}, "GPL v2.0, V3", "GPL version 2.0, version 3"),
        ({"type": "Replace", "pattern": "(a)|(?P<b>b)", "replacement": "<{b}{{1}}>"}, "ab", "<{1}><b{1}>"),
        ({"type": "Replace", "pattern": "é", "replacement": "许可"}, "café É", "caf许可 许可"),
        ({"type": "Replace", "pattern": "", "replacement": "x"}, "ab", None),
        ({"type": "Cut", "pattern": "[.] "}, "One. Two. Three.", "One"),
        ({"type": "Cut", "pattern": "(?-i)Z"}, "a z", "a z"),
        ({"type": "Cut", "pattern": "é"}, "日本é許可é", "日本"),
    ],
)  # fmt: skip
def test_each_operation_by_hand(given, before, after):
    if after is None:  # a pattern is at least one character
        with pytest.raises(ValueError, match="at least 1 character"):
            edited(before, given)
        return
    assert edited(before, given) == after


WRITTEN = ["MIT License (c) 1998", "isc", "Note: nothing", "GPL v2 (c) 1989"]


def test_texts_are_changed_recorded_and_dropped_where_nothing_is_left():
    step = edits(
        {"type": "DropLine", "pattern": "^note:"},
        {"type": "Remove", "pattern": r"\(c\) [0-9]+"},
        {"type": "Replace", "pattern": "v([0-9])", "replacement": "version {1}"},
    )
    selected = selected_texts([(said, "") for said in WRITTEN], step)
    assert selected.left.rows.tolist() == [0, 1, 3]
    assert selected.left.targets.tolist() == ["MIT License", "isc", "GPL version 2"]
    record = [
        (one.row, one.step, one.made.edit, one.made.operation, one.made.before, one.made.after)
        for one in selected.refined
    ]
    assert record == [
        (0, 0, 1, "Remove", "MIT License (c) 1998", "MIT License"),
        (2, 0, 0, "DropLine", "Note: nothing", ""),
        (3, 0, 1, "Remove", "GPL v2 (c) 1989", "GPL v2"),
        (3, 0, 2, "Replace", "GPL v2", "GPL version 2"),
    ]
    (audit,) = selected.audit
    assert (audit["before"], audit["after"]) == (4, 3)
    assert audit["figures"] == {
        "edited": 3,
        "edits": [
            {"type": "DropLine", "texts": 1},
            {"type": "Remove", "texts": 2},
            {"type": "Replace", "texts": 1},
        ],
        "dropped": {"emptied": 1},
    }
    assert "MIT" not in str(audit), "the audit quotes no data"


class Kept:
    """An artifact whose files lie in a directory."""

    stage, key = "select", "k"

    def __init__(self, directory) -> None:
        self._directory = directory
        self.files = {file.name: None for file in directory.iterdir()}

    def fetch(self, name, _directory):
        return self._directory / name


def test_what_was_recorded_is_read_again_and_shown_of_each_operation_in_turn(tmp_path):
    said = ["a (1)", "b (2)", "c (3)", "d v4", "e"]
    step = edits(
        {"type": "Remove", "pattern": r" \([0-9]\)"},
        {"type": "Replace", "pattern": "v([0-9])", "replacement": "version {1}"},
    )
    selected = selected_texts([(text, "") for text in said], step)
    examples = selected.left.examples
    write_refined({EVERY_SEED: selected.refined}, examples, tmp_path)
    artifact = Kept(tmp_path)
    rows, after = read_refined(artifact, examples, tmp_path)[EVERY_SEED]
    assert dict(zip(rows.tolist(), after, strict=True)) == {0: "a", 1: "b", 2: "c", 3: "d version 4"}
    assert refined_examples(artifact, tmp_path, 3) == [
        {"operation": "Remove", "before": "a (1)", "after": "a"},
        {"operation": "Replace", "before": "d v4", "after": "d version 4"},
        {"operation": "Remove", "before": "b (2)", "after": "b"},
    ]
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    write_refined({EVERY_SEED: ()}, examples, nothing)
    assert read_refined(Kept(nothing), examples, nothing) == {}
    assert refined_examples(Kept(nothing), nothing, 3) == []


def test_later_steps_see_the_edited_texts_and_the_given_ones_stay_as_they_were():
    pairs = [("MIT 2.0 (1998)", "MIT 2.0"), ("ISC (1999)", "ISC")]
    grounded = {"type": "Groundedness", "groundedness": {"atLeast": "1"}}
    with pytest.raises(BadData, match="left none"):
        selected_texts(pairs, grounded)
    selected = selected_texts(pairs, edits({"type": "Remove", "pattern": r" \([0-9]+\)"}), grounded)
    assert selected.left.targets.tolist() == ["MIT 2.0", "ISC"]
    labels = weak_of(["a (1)", "b"])
    with_changes(labels, selected.refined)
    assert labels.targets.tolist() == ["a (1)", "b"]


@settings(max_examples=50, deadline=None)
@given(lists(text(), min_size=1, max_size=6), lists(sampled_from(range(4)), min_size=1, max_size=4))
def test_the_record_leads_from_the_text_that_was_written_to_the_one_that_is_learnt(written, chosen):
    """Replaying nothing but the record gives what was selected: nothing was executed beside it."""
    kinds = [
        {"type": "DropLine", "pattern": "a"},
        {"type": "Remove", "pattern": "[0-9]"},
        {"type": "Replace", "pattern": "b", "replacement": "cc"},
        {"type": "Cut", "pattern": "c"},
    ]
    spoken = [said for said in written if said]
    try:
        selected = selected_texts(
            [(said, "") for said in spoken] + [("z", "")], edits(*(kinds[k] for k in chosen))
        )
    except BadData:
        return
    now = dict(enumerate([*spoken, "z"]))
    for one in selected.refined:
        assert now[one.row] == one.made.before
        assert one.made.operation == kinds[chosen[one.made.edit]]["type"]
        now[one.row] = one.made.after
    assert [now[row] for row in selected.left.rows.tolist()] == selected.left.targets.tolist()
    assert {row for row in now if not now[row]} == set(now) - set(selected.left.rows.tolist())


def test_a_pattern_cannot_hang():
    """(a+)+$ takes 2^n steps in engines that go back; here twice the text takes about twice the time."""
    given = {"type": "Remove", "pattern": "(a+)+$"}
    began = time.process_time()
    assert edited("a" * 20_000 + "b", given) == "a" * 20_000 + "b"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("given", "reason", "words"),
    [
        ({"type": "Remove", "pattern": "(a"}, "BadRegex", r"edits\[1\].pattern: '\(a' is not a regular expression"),
        ({"type": "Cut", "pattern": r"(?=a)"}, "BadRegex", "at character"),
        ({"type": "Replace", "pattern": "a", "replacement": "{1}"}, "BadTemplate", r"edits\[1\].replacement: \{1\} is no group"),
    ],
)  # fmt: skip
def test_what_cannot_be_executed_is_refused_beforehand(given, reason, words):
    fine = {"type": "Remove", "pattern": "x"}
    with pytest.raises(BadSpec, match=words) as refused:
        check(Refinement.model_validate({"edits": [fine, given]}), "spec.selection.steps[0].refinement")
    assert refused.value.reason == reason


def test_the_order_of_rows_changes_nothing():
    step = edits({"type": "Remove", "pattern": r"\(c\) [0-9]+"}, {"type": "Cut", "pattern": "thing"})
    order = np.random.default_rng(0).permutation(4).tolist()
    first = selected_texts([(said, "") for said in WRITTEN], step)
    again = selected_texts([(WRITTEN[row], "") for row in order], step)
    assert dict(zip(first.left.rows.tolist(), first.left.targets, strict=True)) == {
        order[row]: said for row, said in zip(again.left.rows.tolist(), again.left.targets, strict=True)
    }
    assert first.audit == again.audit
