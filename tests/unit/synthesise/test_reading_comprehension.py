"""What the wording of a text gives away, by hand."""

import time

import pytest

from w2s_api.methods.synthesis_steps import ReadingComprehension
from w2s_trainer.stages.synthesise.pairs import Document
from w2s_trainer.stages.synthesise.reading_comprehension import mined
from w2s_trainer.stages.synthesise.sentences import sentences

TEXT = """Alder Public Licence

This licence covers each copy of the work that anybody gets from Alder Inc. of Oslo, in any form.

1. Definitions.

"Contributor" (a person) means whoever adds words to the work. “Work” shall mean the
book and its pictures; and "Reader" means whoever reads.

2. Warranty.

You use the work at your own risk because nobody was paid for it. You may quote it because of the law. The work
comes without any warranty of its merchantability or of its fitness for anything at all. Therefore, you bear the cost of
all repairs.
"""


def found(task, text=TEXT, size=400):
    settings = ReadingComprehension.model_validate({"tasks": [task]})
    return mined(settings, Document(0, text), size)


def asked(task):
    return [(pair.question, pair.answer) for pair in found(task)]


def test_definitions():
    assert asked("Definition") == [
        ('What does "Contributor" mean?', "whoever adds words to the work"),
        ('What does "Work" mean?', "the book and its pictures"),
    ]


def test_causes_and_consequences():
    assert asked("Cause") == [
        ("Why is this so: You use the work at your own risk", "nobody was paid for it"),
        (
            "What follows from this: The work comes without any warranty of its merchantability or of its fitness for anything"
            " at all",
            "you bear the cost of all repairs",
        ),
    ]


def test_headings_are_not_in_the_text_that_is_shown():
    pairs = found("Heading")
    assert [pair.answer for pair in pairs] == ["Alder Public Licence", "Definitions", "Warranty"]
    for pair in pairs:
        assert pair.answer not in pair.shown
        assert TEXT[slice(*pair.quotation)].strip(" .").endswith(pair.answer)


def test_sentences_go_on_after_what_is_shown():
    pairs = found("Completion")
    assert [pair.answer for pair in pairs] == [
        'its pictures; and "Reader" means whoever reads.',
        "risk because nobody was paid for it.",
        "merchantability or of its fitness for anything at all.",
    ]
    for pair in pairs:
        first = pair.question.removeprefix("How does the next sentence go on: ").removesuffix(" …")
        assert f"{first} {pair.answer}" == " ".join(TEXT[slice(*pair.quotation)].split())
        assert pair.passage[1] <= pair.quotation[0]


@pytest.mark.parametrize("task", ["Definition", "Heading", "Completion", "Cause"])
def test_every_answer_stands_where_it_is_quoted_from(task):
    pairs = found(task)
    assert pairs
    for pair in pairs:
        assert pair.answer in " ".join(TEXT[slice(*pair.quotation)].split())
        assert pair.shown == TEXT[slice(*pair.passage)]
        assert len(pair.shown) <= 400


def test_tasks_take_turns():
    every = mined(ReadingComprehension.model_validate({}), Document(0, TEXT), 400)
    assert [pair.generator for pair in every[:4]] == ["Definition", "Heading", "Completion", "Cause"]


def test_of_a_text_without_such_wordings_nothing_is_made():
    assert mined(ReadingComprehension.model_validate({}), Document(0, "x" * 5000), 400) == []
    assert mined(ReadingComprehension.model_validate({}), Document(0, ""), 400) == []


@pytest.mark.parametrize("filler", [" ", "\n", " \n", "(", '"', ".", "a ", '"a" means b; '])
def test_a_text_of_nothing_but_one_thing_is_read_in_no_time(filler):
    """What takes a square of the length here takes hours."""
    text = f"Begin. {filler * (100_000 // len(filler))} end."
    began = time.process_time()
    mined(ReadingComprehension.model_validate({}), Document(0, text), 400)
    assert time.process_time() - began < 20


def test_sentences_end_where_sentences_end():
    text = 'Alder Inc. of Oslo owns it. "Is it so?" Yes, e.g. by law!\nMore here\n\nA title\n\nLast one'
    assert [text[slice(*span)] for span in sentences(text)] == [
        "Alder Inc. of Oslo owns it.",
        '"Is it so?"',
        "Yes, e.g. by law!",
        "More here",
        "A title",
        "Last one",
    ]
