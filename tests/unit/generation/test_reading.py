"""What a model reads of a row, by the task's template."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.data.inputs import Inputs
from w2s_trainer.errors import BadData
from w2s_trainer.families.generation.card import writer_card
from w2s_trainer.families.generation.reading import read_at_endpoint, read_by, tokens_of
from w2s_trainer.families.generation.writing import layout_for, prompt_record

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from writing_kit import tiny_model

ROWS = Inputs([" w1 w2 w3 ", "w4"], {"party": ["w5 w6 w7", "{text}"], "unread": ["w8", "w9"]})


def task(prompt: str = "{{w0}} {party} w9: {text}") -> Task:
    return Task.model_validate({"type": "Generation", "instruction": "w1", "generation": {"prompt": prompt}})


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_each_field_is_cut_by_itself_and_the_template_never(model):
    read = read_by(model, task(), ROWS, max_tokens=2)
    assert list(read) == ["{w0} w5 w6 w9: w1 w2", "{w0} {text} w9: w4"]
    assert read[1] == "{w0} {text} w9: w4"
    assert list(read[:1]) == ["{w0} w5 w6 w9: w1 w2"]
    assert list(read_at_endpoint(task(), ROWS, 5)) == ["{w0} w5 w6 w9: w1 w", "{w0} {text w9: w4"]
    assert tokens_of(model.tokenizer, task(), ROWS, 3).truncated == 0
    assert tokens_of(model.tokenizer, task(), ROWS, 2).truncated == 1


def test_the_text_alone_is_read_as_it_always_was(model):
    assert list(read_by(model, task("{text}"), ROWS, 2)) == [" w1 w2", "w4"]
    assert layout_for(model.tokenizer, task("{text}")).prompt("x") == "w1\n\nText: x\nAnswer:"


def test_a_template_brings_its_own_words(model):
    (first, _) = read_by(model, task("w2 {party}\n{text}"), ROWS, 9)
    assert layout_for(model.tokenizer, task("w2 {party}\n{text}")).prompt(first) == (
        "w1\n\nw2 w5 w6 w7\nw1 w2 w3\nAnswer:"
    )


def test_rows_keep_their_fields_in_another_order():
    turned = ROWS.take(np.array([1, 0]))
    assert list(read_at_endpoint(task(), turned, 9)) == ["{w0} {text} w9: w4", "{w0} w5 w6 w7 w9: w1 w2 w3"]


def test_texts_without_the_fields_are_refused(model):
    with pytest.raises(BadData) as error:
        read_by(model, task(), ["w1"], 9)
    assert error.value.reason == "InputFieldMissing"
    assert "`party`" in error.value.message


def test_the_card_has_the_prompt_and_the_code_that_makes_it(model):
    layout = layout_for(model.tokenizer, task())
    plain = task().model_dump(mode="json", by_alias=True)
    card = writer_card({"task": plain}, layout.head, layout.tail)
    line = next(line for line in card.loading if line.startswith("prompt = "))
    assert "w1\n\n{{w0}} {party} w9: {text}\nAnswer:" in card.about
    made = {}
    exec(line.replace("'text': …", "'text': 'w4'").replace("'party': …", "'party': 'w5'"), made)
    read = list(read_by(model, task(), Inputs(["w4"], {"party": ["w5"]}), 9))
    assert made["prompt"] == layout.prompt(read[0])


def test_the_record_of_a_prompt_tells_its_template_and_its_words(model):
    words = ("{text}", "w2: {text}", "w3: {text}")
    records = [prompt_record(layout_for(model.tokenizer, task(one)), task(one)) for one in words]
    tokenizer = copy.copy(model.tokenizer)
    for turn in ("<u>", "<v>"):
        tokenizer.chat_template = (
            "{% for m in messages %}" + turn + "{{ m['content'] }}{% endfor %}"  # a question, and an answer
        )
        records.append(prompt_record(layout_for(tokenizer, task("{text}")), task("{text}")))
    assert len({record["sha256"] for record in records}) == 5
    assert [record["chat"] for record in records] == [False, False, False, True, True]
