"""Likelihoods of given answers by tiny models of many kinds, against one full pass for each."""

import numpy as np
import pytest
from writing_kit import CONTEXT, KINDS, WORDS, ids_of, tiny_layout, tiny_model

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import write
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.likelihood import answered, likelihoods, likelihoods_of


def some(n: int, longest: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, longest + 1))) for _ in range(n)]


TEXTS, ANSWERS = some(9, 14, 0), some(9, 7, 1)


def one_by_one(model, layout, texts, answers) -> list[float]:
    import torch

    found = []
    for text, answer in zip(texts, answers, strict=True):
        before = ids_of(model, layout, text)
        whole = model.tokenizer(layout.prompt(text) + layout.answer(answer), add_special_tokens=False)[
            "input_ids"
        ]
        assert whole[: len(before)] == before
        with torch.inference_mode():
            logs = model.model(torch.tensor([whole])).logits[0].double().log_softmax(dim=-1)
        found.append(sum(float(logs[at - 1, whole[at]]) for at in range(len(before), len(whole))))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_a_full_pass_for_each_answer(kind):
    model = tiny_model(kind)
    layout = tiny_layout(model)
    expected = one_by_one(model, layout, TEXTS, ANSWERS)
    for batch_tokens in (1, 90, 10_000):
        found = likelihoods(model, layout, TEXTS, ANSWERS, batch_tokens)
        assert np.abs(found.log_likelihood - expected).max() < 1e-4
        assert found.tokens.tolist() == [len(answer.split()) for answer in ANSWERS]
    assert np.std(expected) > 1  # or any would do


@pytest.mark.parametrize("kind", ["llama", "recurrent"])
def test_what_was_written_is_as_likely_when_it_is_given(kind):
    """With the token that ends a turn, in a layout whose answers end with it."""
    model = tiny_model(kind)
    plain = tiny_layout(model)
    layout = Layout(plain.head, plain.tail, " ", " [EOS]", True, ("[EOS]",))
    free = write(model, layout, TEXTS, Decoding(6), 500)
    end = int(model.tokenizer(free.texts[0, 0].split()[2])["input_ids"][0])
    names = {"eos_token": model.tokenizer.convert_ids_to_tokens(end)}
    model.tokenizer.add_special_tokens(names)
    layout = Layout(plain.head, plain.tail, " ", f" {names['eos_token']}", True, ())
    written = write(model, layout, TEXTS, Decoding(6), 500)
    ended = np.flatnonzero(written.endings[:, 0] == "end")
    assert len(ended)
    texts, answers = [TEXTS[row] for row in ended], [written.texts[row, 0] for row in ended]
    given = likelihoods(model, layout, texts, answers, 500)
    assert given.tokens.tolist() == written.tokens[ended, 0].tolist()
    assert np.abs(given.log_likelihood - written.log_likelihood[ended, 0]).max() < 1e-4


def test_an_answer_cannot_end_its_turn():
    model = tiny_model()
    plain = tiny_layout(model)
    layout = Layout(plain.head, plain.tail, " ", " [EOS] w1", True, ("[EOS]",))
    given = answered(model, layout, ["w3"], ["w4 [EOS] w5"])
    tokens = model.tokenizer.convert_ids_to_tokens(given.sequences.rests[0][-given.tokens[0] :])
    assert tokens == ["w4", "[UNK]", "[UNK]", "w5", "[EOS]"]  # the marker is broken up; nothing after the end


@pytest.mark.parametrize("kind", ["llama", "a short window"])
def test_whoever_goes_on_after_any_batch_finds_the_same_bit_for_bit(kind):
    model = tiny_model(kind)
    given, n = answered(model, tiny_layout(model), TEXTS, ANSWERS), len(TEXTS)
    batches = list(likelihoods_of(model, given, 60, np.arange(n)))
    assert len(batches) > 2
    for done in range(1, len(batches)):
        left = np.setdiff1d(np.arange(n), np.concatenate([rows for rows, _ in batches[:done]]))
        rest = list(likelihoods_of(model, given, 60, left))
        assert [rows.tolist() for rows, _ in rest] == [rows.tolist() for rows, _ in batches[done:]]
        assert [found.tobytes() for _, found in rest] == [found.tobytes() for _, found in batches[done:]]
    assert list(likelihoods_of(model, given, 60, np.arange(0))) == []


def test_few_logits_are_held_at_once(monkeypatch):
    from w2s_trainer.models import likelihood

    model = tiny_model()
    layout, longest = tiny_layout(model), max(len(answer.split()) for answer in ANSWERS)
    whole = likelihoods(model, layout, TEXTS, ANSWERS, 10_000)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 2 * (longest + 1) * model.vocabulary)
    rows = []
    model.model.register_forward_hook(lambda _module, _given, output: rows.append(len(output.logits)))
    few = likelihoods(model, layout, TEXTS, ANSWERS, 10_000)
    assert max(rows) == 2
    assert np.abs(few.log_likelihood - whole.log_likelihood).max() < 1e-4


def test_an_answer_longer_than_the_model_reads_is_refused():
    model = tiny_model()
    layout = tiny_layout(model)
    room = CONTEXT - len(ids_of(model, layout, "w1"))
    likelihoods(model, layout, ["w1"], [" ".join(["w2"] * room)], 500)
    with pytest.raises(BadSpec) as error:
        likelihoods(model, layout, ["w1"], [" ".join(["w2"] * (room + 1))], 500)
    assert error.value.reason == "PromptTooLong"
    assert f"{CONTEXT + 1} tokens with its answer, the model reads {CONTEXT}" in error.value.message


def test_logits_that_are_no_numbers_end_the_stage():
    import torch

    model = tiny_model()
    with torch.no_grad():
        model.model.lm_head.weight[7] = float("nan")
    with pytest.raises(BadSpec) as error:
        likelihoods(model, tiny_layout(model), TEXTS, ANSWERS, 500)
    assert error.value.reason == "NonFiniteOutputs"


def test_no_answers_have_no_likelihoods():
    model = tiny_model()
    found = likelihoods(model, tiny_layout(model), [], [], 100)
    assert found.log_likelihood.shape == found.tokens.shape == (0,)
