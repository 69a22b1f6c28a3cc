"""Pairs by rules and by what a model wrote, by hand."""

import pytest

from w2s_api.methods.synthesis_steps import QuestionAnswer
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.synthesise.pairs import Document, Pair
from w2s_trainer.stages.synthesise.question_answer import by_rules, check, compiled, grounded
from w2s_trainer.stages.synthesise.written import as_lines, read

TEXT = "Alder notice. Copyright (c) 1998 Ådne Öst. Copyright 2004 Bo. All that is here may be read by all."
HOLDER = {
    "pattern": r"copyright (?:\(c\) )?(?P<year>\d{4}) (?P<holder>[^.]+)",
    "question": "Who holds the copyright of {year}?",
    "answer": "{holder}",
}


def of_rules(*rules, **more):
    return QuestionAnswer.model_validate({"rules": list(rules), **more})


def made(*rules, text=TEXT, size=60):
    settings = of_rules(*rules)
    return by_rules(settings, compiled(settings, "here"), Document(3, text), size)


def test_a_rule_makes_a_pair_wherever_it_matches_as_the_document_is_written():
    pairs, too_long = made(HOLDER)
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Who holds the copyright of 1998?", "Ådne Öst"),
        ("Who holds the copyright of 2004?", "Bo"),
    ]
    assert [pair.quoted for pair in pairs] == ["Copyright (c) 1998 Ådne Öst", "Copyright 2004 Bo"]
    assert all(pair.quoted in pair.shown and len(pair.shown) <= 60 for pair in pairs)
    assert too_long == 0


def test_rules_take_turns():
    year = {"pattern": r"copyright (?P<year>\d{4})", "question": "When?", "answer": "{year}"}
    pairs, _ = made(HOLDER, year)
    assert [pair.generator for pair in pairs] == ["rules[0]", "rules[1]", "rules[0]"]


def test_what_is_longer_than_a_passage_is_counted():
    pairs, too_long = made(HOLDER, size=20)
    assert [pair.answer for pair in pairs] == ["Bo"]
    assert too_long == 1
    assert made({**HOLDER, "pattern": "(?P<year>Alder)(?P<holder>.*)"}, size=20) == ([], 1)


def test_a_group_that_took_no_part_makes_no_pair():
    assert made({**HOLDER, "pattern": r"(?P<year>\d{4})|(?P<holder>Bo)"}) == ([], 0)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"pattern": "(?P<year>a)(?P<holder>b"}, "is not a regular expression: missing ): "),
        ({"answer": "{owner}"}, "here.rules[0].answer: {owner} is no group"),
        ({"question": "{"}, "here.rules[0].question: "),
    ],
)
def test_bad_rules_are_refused_with_their_place(rule, said):
    with pytest.raises(BadSpec) as caught:
        check(of_rules({**HOLDER, **rule}), "here")
    assert said in str(caught.value)


GOOD = "Question: Who holds it?\nQuotation: “copyright (c) 1998 ådne öst”\nAnswer: Ådne Öst"


def test_what_a_model_wrote_is_a_pair_where_its_quotation_stands_in_the_passage():
    pair = grounded(Document(3, TEXT), (14, 60), GOOD, "py://llm")
    assert isinstance(pair, Pair)
    assert (pair.question, pair.answer, pair.quoted) == (
        "Who holds it?",
        "Ådne Öst",
        "Copyright (c) 1998 Ådne Öst",
    )
    assert pair.shown == TEXT[14:60]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "withoutQuotation"),
        ("A question about alder?", "withoutQuotation"),
        ("Question: Who?\nAnswer: Bo", "withoutQuotation"),
        ("Question: Who?\nQuotation: Copyright 2004 Bo", "malformed"),
        ("Quotation: Copyright 2004 Bo\nAnswer: Bo", "malformed"),
        ("Question: Who?\nQuotation: Copyright 2005 Bo\nAnswer: Bo", "notInSource"),
        ("Question: Who?\nQuotation: All that is here\nAnswer: Bo", "notInSource"),  # outside of the passage
    ],
)
def test_what_is_no_pair_is_told_by_why(text, why):
    assert grounded(Document(3, TEXT), (0, 62), text, "py://llm") == why


def test_the_first_pair_of_several_is_read():
    text = f"Here you are.\n**Question:** one?\n- Quote: two\nanswer: three\nand four\n{GOOD}"
    assert vars(read(text)) == {"question": "one?", "quotation": "two", "answer": "three and four"}


def test_examples_are_shown_as_pairs_are_read():
    assert vars(read(as_lines("who?", "he\n did", "he"))) == {
        "question": "who?",
        "quotation": "he did",
        "answer": "he",
    }
