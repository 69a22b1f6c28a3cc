"""The likeliest tokens at each place of given answers."""

import numpy as np
import pytest
import torch
from writing_kit import KINDS, VOCABULARY, tiny_layout, tiny_model

from w2s_trainer.models.top_tokens import top_tokens_of

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "w1 w2", "w30 w31"]
ANSWERS = ["w10", "w11 w12 w13", "w3", "w14 w15", "w16 w17 w18 w19"]


def all_of(model, k, batch_tokens, rows):
    layout = tiny_layout(model)
    found = {}
    for of, tops in top_tokens_of(model, layout, TEXTS, ANSWERS, k, batch_tokens, np.array(rows)):
        found |= dict(zip(of.tolist(), tops, strict=True))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 1000])
def test_they_are_those_of_the_whole_model_on_the_answer_alone(kind, k):
    model = tiny_model(kind)
    layout = tiny_layout(model)
    found = all_of(model, k, 4096, [0, 1, 3, 4])
    assert sorted(found) == [0, 1, 3, 4]
    for row, top in found.items():
        prompt = layout.prompt(TEXTS[row])
        whole = model.tokenizer(prompt + layout.answer(ANSWERS[row]), add_special_tokens=False)["input_ids"]
        start = len(model.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        assert top.tokens.tolist() == whole[start:]
        assert ANSWERS[row].split() == [
            word for word in model.tokenizer.convert_ids_to_tokens(top.tokens.tolist()) if word != "Text:"
        ]
        with torch.no_grad():
            log_p = model.model(input_ids=torch.tensor([whole])).logits[0].float().log_softmax(-1)
        expected = log_p[start - 1 : start - 1 + len(top.tokens)].topk(min(k, VOCABULARY))
        assert top.log_probabilities == pytest.approx(expected.values.numpy(), abs=1e-4)
        assert np.mean(top.ids == expected.indices.numpy()) > 0.95, "but for ties"
        mass = np.exp(top.log_probabilities.astype(np.float64)).sum(axis=1) + np.exp(
            top.log_rest.astype(np.float64)
        )
        assert mass == pytest.approx(np.ones(len(top.tokens)), abs=1e-5)
        assert top.ids.shape == (len(top.tokens), min(k, VOCABULARY))


def test_neither_batches_nor_company_matter():
    model = tiny_model()
    together = all_of(model, 4, 4096, [0, 1, 3, 4])
    alone = {row: all_of(model, 4, 1, [row])[row] for row in together}
    for row, top in together.items():
        assert np.array_equal(top.tokens, alone[row].tokens)
        assert top.log_probabilities == pytest.approx(alone[row].log_probabilities, abs=1e-5)


def test_whoever_goes_on_after_any_batch_finds_the_same_bit_for_bit():
    model = tiny_model()
    layout, every = tiny_layout(model), np.arange(5)
    batches = list(top_tokens_of(model, layout, TEXTS, ANSWERS, 4, 40, every))
    assert len(batches) > 1
    whole = {row: top for rows, tops in batches for row, top in zip(rows.tolist(), tops, strict=True)}
    done = batches[0][0]
    for rows, tops in top_tokens_of(model, layout, TEXTS, ANSWERS, 4, 40, np.setdiff1d(every, done)):
        for row, top in zip(rows.tolist(), tops, strict=True):
            assert np.array_equal(top.ids, whole[row].ids)
            assert np.array_equal(top.log_probabilities, whole[row].log_probabilities)
            assert np.array_equal(top.log_rest, whole[row].log_rest)


def test_of_no_rows_there_are_none():
    assert all_of(tiny_model(), 4, 64, []) == {}
