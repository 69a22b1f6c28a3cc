"""Features of all examples, computed once and kept as an artifact that every stage and every edit shares."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.keys import digest
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import normalise
from w2s_trainer.stages.tables import read_examples

STAGE = "features"
VERSION = 3


@dataclass(frozen=True)
class Features:
    """Features of the examples, aligned with them."""

    matrix: NDArray[np.float32]
    """float32[N, d]."""
    truncated: int
    """Texts that were cut at max_tokens."""
    unreadable: int
    """Texts that reach the model empty or without one known token."""
    key: str
    seconds: float
    """That computing them took, whenever that was."""


def features_of(context: StageContext, max_tokens: int, batch_tokens: int) -> Features:
    """Computes features of every example of the job by the stage's model, frozen.

    They are addressed by the model, the texts and max_tokens, so that another loss, seed or head reads them
    from the store in place of a forward pass.
    """
    texts = read_examples(context.artifact("examples"), context.scratch).texts
    key = features_key(texts, context.model.digest, max_tokens)
    artifact = context.store.find(STAGE, key)
    if artifact is None:
        began = time.monotonic()
        encoder = load_encoder(context.model.directory, context.model.name)
        matrix, tokens = encoder.features(
            texts,
            max_tokens,
            batch_tokens,
            lambda done, total: context.progress("reading texts", done, total),
        )
        if caution := tokens.caution(context.model.name):
            context.progress.note(caution)
        attempt = context.store.begin(STAGE, key)
        save_file({"features": matrix}, attempt.directory / "features.safetensors")
        summary = {
            "truncated": tokens.truncated,
            "unreadable": len(tokens.unreadable),
            "unknown": round(tokens.unknown, 4),
            "model": context.model.name,
            "seconds": round(time.monotonic() - began, 3),
        }
        artifact = attempt.commit(summary, {"maxTokens": max_tokens})
    path = artifact.fetch("features.safetensors", context.scratch / STAGE / key)
    return Features(
        load_file(path)["features"],
        int(artifact.summary["truncated"]),
        int(artifact.summary.get("unreadable", 0)),
        key,
        float(artifact.summary["seconds"]),
    )


def features_key(texts: Iterable[str], model_digest: str, max_tokens: int) -> str:
    """The content key of the features of a job's texts in their order, by a model of some content.

    Nothing else of the examples enters: a text that leaves the pool for the budget is not read again.
    """
    whole = hashlib.sha256()
    for text in texts:
        whole.update(hashlib.sha256(text.encode()).digest())
    return digest(
        {
            "version": VERSION,
            "model": model_digest,
            "maxTokens": max_tokens,
            "texts": whole.hexdigest(),
        }
    )


def text_features(context: StageContext, max_tokens: int, texts: Sequence[str]) -> NDArray[np.float32]:
    """Features of a few texts, float32[n, d] of unit length."""
    encoder = load_encoder(context.model.directory, context.model.name)
    matrix, _ = encoder.features(texts, max_tokens, batch_tokens=8192)
    return normalise(matrix).astype(np.float32)
