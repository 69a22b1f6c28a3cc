"""What is asked about general texts, and how unlikely a model thinks it: against plain computations, token by token."""

import numpy as np
import pytest
import torch
from retention_kit import save
from tiny_kit import WORDS, some_texts

from w2s_api.methods.tunings import Full
from w2s_api.spec.retention import Retention
from w2s_trainer.errors import BadData
from w2s_trainer.stages.retention.items import items_of
from w2s_trainer.stages.retention.losses import losses
from w2s_trainer.tuning.language_model import load_language_model

TEXTS = sorted({text for text in some_texts(60, 5) if " " in text})


def settings(**more) -> Retention:
    return Retention.model_validate({"texts": {"uri": "s3://general/texts.jsonl"}, **more})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    places = {
        "llama": save("llama", root / "llama"),
        "bert": save("bert", root / "bert", mask_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"),
    }
    return {kind: load_language_model(place, tuning=Full(), name=kind) for kind, place in places.items()}


@pytest.mark.parametrize("batch_tokens", [1, 16, 4096])
def test_a_causal_models_loss_is_cross_entropy_computed_token_by_token(models, batch_tokens):
    model = models["llama"]
    items, too_short = items_of(model, TEXTS, settings(maxTokens=8))
    assert (len(items), too_short) == (len(TEXTS), 0)
    found = losses(model, items, batch_tokens)
    for row, text in enumerate(TEXTS):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"][:8]
        expected = 0.0
        for place in range(1, len(ids)):
            with torch.inference_mode():
                logits = model.model(input_ids=torch.tensor([ids[:place]])).logits[0, -1]
            expected += float(torch.nn.functional.cross_entropy(logits.double(), torch.tensor(ids[place])))
        assert found[row] == pytest.approx(expected, rel=1e-4)
        # Words of one token each, a space before each but the first, of which nobody is asked.
        assert items[row].bytes == len(" ".join(text.split()[:8]).encode()) - len(text.split()[0])


def test_an_encoders_loss_is_cross_entropy_of_what_is_hidden(models):
    model = models["bert"]
    items, _ = items_of(model, TEXTS, settings())
    found = losses(model, items, 256)
    for row, (text, item) in enumerate(zip(TEXTS, items, strict=True)):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        asked = item.asked
        assert len(asked.targets) == max(1, round(0.15 * len(ids)))
        with torch.inference_mode():
            logits = model.model(input_ids=torch.from_numpy(asked.ids)[None]).logits[0].double()
        expected = sum(
            float(torch.nn.functional.cross_entropy(logits[place], torch.tensor(target)))
            for place, target in zip(asked.places, asked.targets, strict=True)
        )
        assert found[row] == pytest.approx(expected, rel=1e-4)
        assert [ids[place] for place in asked.places - len(model.frame.before)] == asked.targets.tolist()


def test_what_is_hidden_depends_on_the_text_alone(models):
    model = models["bert"]
    every, _ = items_of(model, TEXTS, settings())
    some, _ = items_of(model, TEXTS[::-2], settings())
    of_text = {item.digest: item.asked for item in every}
    for item in some:
        np.testing.assert_array_equal(item.asked.ids, of_text[item.digest].ids)
        np.testing.assert_array_equal(item.asked.places, of_text[item.digest].places)
    assert len({tuple(item.asked.places) for item in every}) > 5


def test_texts_of_one_token_are_counted_and_too_few_others_refused(models):
    items, too_short = items_of(models["llama"], [*TEXTS[:25], *WORDS[:4]], settings())
    assert (len(items), too_short) == (25, 4)
    with pytest.raises(BadData, match=r"has 19 texts of 2 tokens or more; .* 20 at least") as refused:
        items_of(models["llama"], [*TEXTS[:19], *WORDS[:9]], settings())
    assert refused.value.reason == "TooFewRetentionTexts"


def test_bytes_are_those_of_utf_8_with_what_lies_between():
    from w2s_trainer.stages.retention.items import _sizes

    text = "é  été🙂"  # pieces of one character, as byte-level tokenizers have them, end at one place
    assert _sizes(text, [1, 6, 7, 7, 7]).tolist() == [2, 7, 4, 0, 0]
    assert int(_sizes(text, [1, 6, 7]).sum()) == len(text.encode())
