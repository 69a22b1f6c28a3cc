"""The published model's own code, on encoders of a few thousand random weights."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, LlamaConfig

from w2s_trainer.models.encoder import pool
from w2s_trainer.models.head import Head
from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CONFIGS = {"mean": BertConfig(**SMALL), "last": LlamaConfig(**SMALL)}
CLASSES = ["a", "b", "c"]
IDS = torch.randint(0, 50, (6, 9), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(9) < torch.tensor([9, 1, 4, 7, 2, 9])[:, None]).long()


@pytest.fixture(params=["mean", "last"])
def pooling(request):
    return request.param


@pytest.fixture
def encoder(pooling):
    torch.manual_seed(0)
    return AutoModel.from_config(CONFIGS[pooling]).eval()


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    return Head(rng.normal(size=(3, 16)), np.array([0.5, 0.0, -0.5]), rng.normal(size=16).astype(np.float32))


@pytest.fixture
def model(encoder, pooling, head):
    model = W2SForSequenceClassification.from_encoder(encoder, CLASSES, pooling).eval()
    model.set_head(head)
    return model


def features(encoder, pooling):
    with torch.inference_mode():
        hidden = encoder(input_ids=IDS, attention_mask=MASK).last_hidden_state
        return pool(hidden, MASK, pooling).float().numpy()


def logits(model):
    with torch.inference_mode():
        return model(input_ids=IDS, attention_mask=MASK).logits.float().numpy()


def test_its_logits_are_those_of_the_head_on_the_encoder_s_features(model, encoder, pooling, head):
    assert logits(model) == pytest.approx(head.logits(features(encoder, pooling)), abs=1e-5)


def test_the_encoder_is_used_as_it_is(encoder, pooling):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = W2SForSequenceClassification.from_encoder(encoder, CLASSES, pooling)
    assert model.encoder is encoder
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert logits(model).tolist() == [[0.0] * 3] * 6


def test_what_is_written_reads_back_the_same(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors")["mean"].tolist() == model.mean.tolist()
    again = W2SForSequenceClassification.from_pretrained(tmp_path).eval()
    assert logits(again).tolist() == logits(model).tolist()
    assert again.encoder.config._attn_implementation == "sdpa"


def test_a_model_that_was_published_without_a_mean_has_none_to_subtract(
    model, tmp_path, head, encoder, pooling
):
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["mean"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for dtype in (torch.float32, torch.bfloat16):
        # What a first tensor of this size finds in memory is often zero by luck.
        kept = [torch.full((16,), 7.0) for _ in range(100)]
        del kept
        old = W2SForSequenceClassification.from_pretrained(tmp_path, dtype=dtype).eval()
        assert old.mean.tolist() == [0.0] * 16
    old = W2SForSequenceClassification.from_pretrained(tmp_path).eval()
    plain = Head(head.weight, head.bias, np.zeros(16))
    assert logits(old) == pytest.approx(plain.logits(features(encoder, pooling)), abs=1e-5)


@pytest.mark.parametrize("asked", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_the_asked_precision_is_the_encoder_s_and_never_the_head_s(pooling, head, stored, asked, tmp_path):
    encoder = AutoModel.from_config(CONFIGS[pooling], dtype=stored)
    model = W2SForSequenceClassification.from_encoder(encoder, CLASSES, pooling)
    model.set_head(head)
    model.save_pretrained(tmp_path)
    again = W2SForSequenceClassification.from_pretrained(tmp_path, dtype=asked).eval()
    assert {parameter.dtype for parameter in again.encoder.parameters()} == {asked}
    assert again.mean.tolist() == head.mean.tolist()
    assert again.classifier.weight.dtype == torch.float32
    assert logits(again) == pytest.approx(head.logits(features(again.encoder, pooling)), abs=1e-5)


def test_it_is_centred_in_float32_where_all_of_it_is_in_half_precision(encoder, pooling):
    # Texts that share nearly all of their features: in bfloat16 what is left of them would be rounded away.
    found = features(encoder.bfloat16(), pooling)
    mean = torch.tensor(found.mean(0) * 0.999).bfloat16().float().numpy()
    weight = torch.eye(3, 16).numpy()
    model = W2SForSequenceClassification.from_encoder(encoder, CLASSES, pooling).eval()
    head = Head(weight, np.zeros(3), mean)
    model.set_head(head)
    model.bfloat16()
    assert logits(model) == pytest.approx(head.logits(found), abs=0.005)


def test_gradients_reach_the_encoder_the_same_with_checkpointing(model):
    def gradients():
        model.zero_grad()
        torch.nn.functional.cross_entropy(
            model(input_ids=IDS, attention_mask=MASK).logits, torch.arange(6) % 3
        ).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plain = gradients()
    assert any(name.startswith("encoder.") and grad.abs().max() > 0 for name, grad in plain.items())
    model.activation_checkpointing_enable()
    layers = [
        module for module in model.encoder.modules() if getattr(module, "gradient_checkpointing", False)
    ]
    assert len(layers) >= SMALL["num_hidden_layers"]
    checkpointed = gradients()
    assert plain.keys() == checkpointed.keys()
    for name, grad in plain.items():
        assert torch.allclose(grad, checkpointed[name], atol=1e-6), name


def test_the_mean_is_not_trained(model):
    assert "mean" not in dict(model.named_parameters())
    assert "mean" in model.state_dict()


def test_the_config_is_plain_json(model, tmp_path):
    model.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["encoder"]["model_type"] == model.encoder.config.model_type
    assert (written["hidden_size"], written["pooling"]) == (16, model.config.pooling)
