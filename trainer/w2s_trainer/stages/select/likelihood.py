"""Selection `Likelihood`: cuts by how likely a causal model finds each written text after the task's prompt."""

import json
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Likelihood
from w2s_trainer.families.generation.writing import layout_for
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.likelihood import answered, likelihoods_of
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.ranking import DECIMALS

_QUANTILES = {"p05": 0.05, "median": 0.5, "p95": 0.95}


def select(settings: Likelihood, candidates: Candidates) -> Kept:
    """Drops a share of the texts at each end."""
    texts = Ordered.of(candidates)
    written = [str(text) for text in texts.targets.tolist()]
    totals, tokens = likelihoods(settings, candidates, texts, written)
    scores = totals / tokens if settings.per == "Token" else totals
    unlikely, likely = ends(scores, float(settings.drop_least_likely), float(settings.drop_most_likely))
    kept = ~(unlikely | likely)
    lengths = np.array([len(text) for text in written])
    figures: dict[str, Any] = {
        "logLikelihood": {
            name: round(float(np.quantile(scores, share)), 4) for name, share in _QUANTILES.items()
        },
        "cuts": {
            "lowest": round(float(scores[kept].min()), 4),
            "highest": round(float(scores[kept].max()), 4),
        },
        "meanCharacters": {
            "unlikely": _mean(lengths[unlikely]),
            "kept": _mean(lengths[kept]),
            "likely": _mean(lengths[likely]),
        },
        "dropped": {"unlikely": int(unlikely.sum()), "likely": int(likely.sum())},
    }
    return texts.kept(kept, texts.weights, figures)


def ends(
    scores: NDArray[np.float64], lowest: float, highest: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The shares of n scores at both ends, each rounded down, bool[n] each; of equals those that come first are lowest."""
    order = np.argsort(np.round(scores, DECIMALS), kind="stable")
    low, high = np.zeros(len(scores), dtype=bool), np.zeros(len(scores), dtype=bool)
    low[order[: _count(lowest, len(scores))]] = True
    high[order[len(scores) - _count(highest, len(scores)) :]] = True
    return low, high


def likelihoods(
    settings: Likelihood, candidates: Candidates, texts: Ordered, written: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The log-likelihood float64[n] of each text with what ends it, and how many tokens these are, int64[n].

    Raises:
        BadSpec: a prompt with its text is longer than the model reads, or the model is no causal one.
        OwnFault: memory ran out.
    """
    context = candidates.context
    given = context.model if settings.model is None else context.model_at(settings.model.uri)
    model = load_causal(given.directory, given.name)
    rows = candidates.rows[texts.places]
    cut, _ = model.cut(candidates.examples.texts.take(rows), settings.max_tokens)
    sequences = answered(model, layout_for(model.tokenizer, context.spec.task), cut, written)

    def answer(left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        for batch, found in likelihoods_of(model, sequences, settings.batch_tokens, left):
            yield batch, found[:, None]

    said = json.dumps(settings.result_settings(), sort_keys=True)
    of_seed = "every-seed" if candidates.seed < 0 else f"seed-{candidates.seed}"
    collected = SavedAnswers(context, rows, {"device": model.device})(
        f"likelihood-{sha256(said.encode()).hexdigest()[:8]}-{of_seed}",
        len(rows),
        1,
        np.float64,
        answer,
        partial(context.progress, "asking how likely the texts are"),
    )
    return collected[:, 0], sequences.tokens


def _count(share: float, n: int) -> int:
    return int(np.floor(share * n + 1e-9))


def _mean(values: NDArray[np.int64]) -> float | None:
    return round(float(values.mean()), 1) if len(values) else None
