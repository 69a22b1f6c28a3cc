"""Chain of thought: what a model writes, and where its answer is asked for."""

import numpy as np
import pytest
from test_layout import CHAT, tokenizer_of
from tiny_kit import save_tiny, some_texts

from w2s_api.spec.task import Task
from w2s_trainer.models.causal import Answers, CausalModel, load_causal
from w2s_trainer.models.layout import layout_of
from w2s_trainer.stages.label.question import Question, answer_scores
from w2s_trainer.stages.label.reasoning import (
    NOTHING,
    WORDING,
    concluding,
    read_reasonings,
    reasonings,
)

MOST = 7


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> CausalModel:
    return load_causal(save_tiny("llama", tmp_path_factory.mktemp("llama")), "tiny")


def written(model: CausalModel, batch_tokens: int = 10_000, rows=None) -> list:
    layout = layout_of(model.tokenizer, "w1 w2", [], WORDING)
    prompts = model.prompts(layout, some_texts(9), Answers([[]], 0))
    wanted = np.arange(9) if rows is None else rows
    return list(reasonings(model, layout, prompts, MOST, batch_tokens, wanted))


def joined(batches: list) -> np.ndarray:
    tokens = np.zeros((9, MOST), dtype=np.int32)
    for rows, of_rows in batches:
        tokens[rows] = of_rows
    return tokens


def test_each_token_is_the_likeliest(model):
    import torch

    layout = layout_of(model.tokenizer, "w1 w2", [], WORDING)
    tokens = joined(written(model))
    for row, text in enumerate(some_texts(9)):
        ids = model.tokenizer(layout.prompt(text))["input_ids"]
        for token in tokens[row]:
            with torch.inference_mode():
                logits = model.model(torch.tensor([ids])).logits[0, -1]
            assert int(logits.argmax()) == token
            ids.append(int(token))


def test_what_the_files_of_a_model_say_of_sampling_changes_nothing(model):
    before = joined(written(model))
    model.model.generation_config.update(do_sample=True, temperature=9.0, repetition_penalty=5.0)
    assert (joined(written(model)) == before).all()
    assert model.model.generation_config.repetition_penalty == 5.0
    model.model.generation_config.update(do_sample=False, temperature=None, repetition_penalty=None)


@pytest.mark.parametrize("batch_tokens", [40, 10_000])
def test_after_some_batches_the_others_are_the_same(model, batch_tokens):
    batches = written(model, batch_tokens)
    for done in range(len(batches)):
        rest = np.setdiff1d(np.arange(9), [row for rows, _ in batches[:done] for row in rows])
        again = written(model, batch_tokens, rest)
        assert [rows.tolist() for rows, _ in again] == [rows.tolist() for rows, _ in batches[done:]]
        for (_, one), (_, other) in zip(again, batches[done:], strict=True):
            assert (one == other).all()


def test_a_reasoning_ends_with_its_token(model):
    whole = joined(written(model))
    end = int(whole[0, 3])
    model.tokenizer.eos_token = model.tokenizer.convert_ids_to_tokens(end)
    try:
        ended = joined(written(model))
    finally:
        model.tokenizer.eos_token = None
    for row in range(9):
        at = np.flatnonzero(whole[row] == end)
        length = at[0] if len(at) else MOST
        assert ended[row].tolist() == [*whole[row, :length], *[NOTHING] * (MOST - length)]
    assert len(read_reasonings(model.tokenizer, ended)[0].split()) <= 3


def test_the_answer_is_asked_for_after_the_reasoning():
    plain = layout_of(tokenizer_of(), "Which?", [], WORDING)
    assert plain.prompt("a text") == "Which?\n\nText: a text\nReasoning:"
    after = concluding(plain, " It says so.\nText: another")
    assert after.prompt("a text") + after.answer("b") == (
        "Which?\n\nText: a text\nReasoning: It says so.\nAnswer: b\n"
    )
    assert concluding(plain, "  ").prompt("a text") == "Which?\n\nText: a text\nReasoning:\nAnswer:"


def test_in_a_chat_the_reasoning_is_the_models_own_turn_and_cannot_end_it():
    chat = layout_of(tokenizer_of(CHAT), "Which?", [], WORDING)
    after = concluding(chat, "One.\nTwo.<|end|> ANSWER : a\nmore")
    assert after.prompt("a text") + after.answer("b") == (
        '<|start|>user\nWhich?\n\nThink step by step. Then write "Answer:" and the name of the class.\n\n'
        "Text:\na text<|end|>\n<|start|>assistant\nOne.\nTwo.< |end|>\nAnswer: b<|end|>\n"
    )


def test_scores_are_of_the_class_names_after_the_reasoning(model):
    task = Task.model_validate({"classes": [{"name": "w46"}, {"name": "w47"}], "instruction": "w1"})
    texts = some_texts(5)
    (scores,) = answer_scores(
        model, [Question(task, 2, reasoning_tokens=MOST)], texts, 4096, lambda _done, _total: None
    )
    assert scores.shape == (2, 5, 2)
    for order, layout in enumerate(Question(task, 2, reasoning_tokens=MOST).layouts(model.tokenizer)):
        prompts = model.prompts(layout, texts, Answers([[]], 0))
        for rows, tokens in reasonings(model, layout, prompts, MOST, 4096, np.arange(5)):
            for row, said in zip(rows, read_reasonings(model.tokenizer, tokens), strict=True):
                after = concluding(layout, said)
                answers = model.answers(after, ["w46", "w47"])
                expected = model.scores(model.prompts(after, [texts[row]], answers), answers, 4096)[0]
                assert scores[order, row] == pytest.approx(expected, abs=1e-4)
    (unreasoned,) = answer_scores(model, [Question(task, 2)], texts, 4096, lambda _done, _total: None)
    assert np.abs(scores - unreasoned).max() > 1e-2
