"""Weak sources of the study: the mechanical rules, the labelers and what stands in the rows for them."""

import pytest
from does_it_pay.cells import CURVE_BUDGET, CURVE_SOURCE, cells
from does_it_pay.declared import BUDGETS, PRIMARY_BUDGET, PRIMARY_STUDENT, SETS, SOURCES, sources_of
from does_it_pay.keyword_rules import WORDS_A_CLASS, keyword_rules
from does_it_pay.manifest import declaration_digest, manifest_of
from does_it_pay.rows import Row, _licence_rows
from does_it_pay.task_files import TaskFiles
from does_it_pay.weak_sources import VOTE, field_of, imported_fields

from w2s_api.spec.job import WeakToStrongJob

CLASSES = ["ham", "spam"]
ONE_OF_EACH = [one for one in cells() if (one.student, one.budget) == (PRIMARY_STUDENT, PRIMARY_BUDGET)]
RULES = {"rules": [{"className": "spam", "keywords": ["win"]}]}


def test_rules_are_the_words_that_tell_a_class_from_the_others():
    texts = ["win money now", "win a prize now", "see you now", "dinner now", "call money", "win it"]
    labels = ["spam", "spam", "ham", "ham", "ham", "spam"]
    rules = keyword_rules(texts, labels)
    assert ("spam", "win") in rules
    assert "now" not in [word for _, word in rules]  # as often in both
    assert not any("win" in word.split() for _, word in rules if word != "win")


def test_each_class_gets_a_few_words_of_three_letters_that_stand_in_several_of_its_texts():
    texts = [f"alpha beta gamma delta epsilon zeta eta of {n}" for n in range(5)] + ["omega of it"] * 5
    rules = keyword_rules(texts, ["a"] * 5 + ["b"] * 5)
    words = [word for name, word in rules if name == "a"]
    assert len(words) == WORDS_A_CLASS
    assert all(len(part) >= 3 for word in words for part in word.split())
    lone = keyword_rules(["common thing", "common unique"] * 2, ["a", "b", "a", "b"])
    assert ("a", "thing") in lone


def test_a_word_of_a_single_text_votes_only_for_a_class_of_few_texts():
    many = keyword_rules(["shared one", "shared two", "shared six", "shared ten", "other"], ["a"] * 4 + ["b"])
    assert [word for name, word in many if name == "a"] == ["shared"]
    assert ("b", "other") in many


def test_every_task_has_at_least_three_kinds_of_sources():
    for one in SETS.values():
        assert len(set(sources_of(one)) - {"union"}) >= 3 or one.name == "lexglue_ledgar_1k"
    assert set(sources_of(SETS["lexglue_ledgar_1k"])) == {"rules", "imported", "union", "tuned"}
    assert sum(one.half == "choosing" for one in SETS.values()) * 2 == len(SETS)


def test_jobs_run_round_robin_and_what_decides_runs_first():
    order = cells()
    assert len(set(order)) == len(order)
    first = order[: len(SETS)]
    assert {cell.task for cell in first} == set(SETS)
    decisive = [
        place
        for place, cell in enumerate(order)
        if cell.student == PRIMARY_STUDENT and cell.budget == PRIMARY_BUDGET
    ]
    others = [
        place
        for place, cell in enumerate(order)
        if cell.student != PRIMARY_STUDENT or cell.budget != PRIMARY_BUDGET
    ]
    curves = [cell for cell in order if (cell.source, cell.budget) == (CURVE_SOURCE, CURVE_BUDGET)]
    before = [place for place in others if place < max(decisive)]
    assert {order[place] for place in before} == {cell for cell in curves if cell.student == PRIMARY_STUDENT}
    assert {cell.budget for cell in order} == set(BUDGETS)


@pytest.mark.parametrize("cell", ONE_OF_EACH, ids=str)
def test_every_manifest_is_valid(cell, tmp_path):
    rules = {"rules": [{"className": "one", "keywords": ["win"]}]}
    files = TaskFiles(tmp_path, ["one", "two", "three"], rules, {})
    job = WeakToStrongJob.model_validate(manifest_of(cell, files, {}))
    assert job.spec.data.gold_budget == cell.budget
    if cell.source != "union":
        assert [labeler.name for labeler in job.spec.weak.labelers] == [cell.source]
    else:
        assert len(job.spec.weak.labelers) >= 2
    assert set(SOURCES) >= {labeler.name for labeler in job.spec.weak.labelers}


def test_a_job_that_is_declared_otherwise_is_another_and_its_place_does_not_matter(tmp_path):
    cell = cells()[0]
    files = TaskFiles(tmp_path / "here", CLASSES, RULES, {})
    elsewhere = TaskFiles(tmp_path / "there", CLASSES, RULES, {})
    other = TaskFiles(tmp_path / "here", CLASSES, {"rules": [{"className": "ham", "keywords": ["win"]}]}, {})
    digest = declaration_digest(manifest_of(cell, files, {}))
    assert digest == declaration_digest(manifest_of(cell, elsewhere, {}))
    assert digest != declaration_digest(manifest_of(cell, other, {}))


def test_votes_that_are_no_class_are_abstentions_and_probabilities_leave_one_class_out():
    one = SETS["youtube_spam_weak"]
    taught = [Row(f"t{n}", text, label, str(n)) for n, (text, label) in enumerate(
        [("win money", "spam"), ("hello friend", "ham"), ("money now", "spam"), ("dear friend", "ham")]
    )]  # fmt: skip
    rows = [
        Row("a", "money", "spam", "a", "1"),
        Row("b", "friend", "ham", "b", "-1"),
        Row("c", "x", "ham", "c", "0"),
    ]
    found = imported_fields(one, CLASSES, taught, rows)
    assert [fields.get(VOTE) for fields in found] == ["spam", "ham", None]
    ham = [fields[field_of(0)] for fields in found]
    assert ham[1] > 0.5 > ham[0]
    assert all(field_of(1) not in fields for fields in found)


@pytest.mark.parametrize("task", [name for name, one in SETS.items() if one.licences])
def test_the_texts_of_the_examples_are_there(task):
    assert {"id", "text", "label"} <= set(_licence_rows(task)[0])
