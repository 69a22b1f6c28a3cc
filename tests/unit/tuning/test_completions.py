"""What a student that writes is trained on, as token ids."""

import pytest
from text_kit import load_text

from w2s_trainer.errors import BadData
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.tuning.completions import completions_of

TEXTS, TARGETS = ["w0 w1", "w0 w1 w2", "w3"], ["w4", "w5 w6", "w7 w8 w9"]


@pytest.fixture(scope="module")
def student(tiny):
    return load_text(tiny["llama"])


def given(student, texts=TEXTS, targets=TARGETS):
    return completions_of(student, layout_of(student.tokenizer, "w10 w11", (), FREE_TEXT), texts, targets)


def whole(student, examples):
    ids = [[*examples.sequences.shared, *rest] for rest in examples.sequences.rests]
    return [student.tokenizer.convert_ids_to_tokens(one) for one in ids]


def test_they_are_the_prompts_as_they_are_asked_and_the_targets(student):
    examples = given(student)
    assert student.tokenizer.convert_ids_to_tokens(examples.sequences.shared.tolist())[:2] == ["w10", "w11"]
    found = whole(student, examples)
    for tokens, text, target, count in zip(found, TEXTS, TARGETS, examples.tokens, strict=True):
        assert tokens[-count:] == target.split()
        assert all(word in tokens[: len(tokens) - count] for word in text.split())
    assert student.model.training


def test_what_a_model_cannot_share_is_with_each(tiny, student):
    apart = load_text(tiny["llama"], gradient_checkpointing=True)
    examples = given(apart)
    assert not len(examples.sequences.shared)
    assert whole(apart, examples) == whole(student, given(student))
    assert examples.tokens.tolist() == given(student).tokens.tolist()


def test_an_empty_target_is_refused(student):
    with pytest.raises(BadData, match=r"2 of 3 texts .* the first of them number 2") as error:
        given(student, targets=["w4", "", " \n"])
    assert error.value.reason == "EmptyTarget"
    assert "abstains" in error.value.hint


def test_what_is_longer_than_the_model_reads_is_refused(student):
    room = student.context - max(len(one) for one in whole(student, given(student, targets=["w4"] * 3)))
    given(student, targets=["w4", "w4" + " w5" * room, "w4"])
    with pytest.raises(
        BadData, match=rf"1 of 3 texts .* number 2, has 65, of which its target {room + 2}\."
    ) as error:
        given(student, targets=["w4", "w4" + " w5" * (room + 1), "w4"])
    assert error.value.reason == "TargetTooLong"
    assert "maxTokens" in error.value.hint
