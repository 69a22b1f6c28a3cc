"""The arm `untouched`: the strong model as it came, without a label. An encoder compares the text with the class
descriptions; a causal model is asked."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.prior import uniform
from w2s_trainer.stages.label.prompted import Question, answer_scores, probabilities_of

SHARPNESS = 20.0
"""Of the softmax over cosine similarities. It changes no decision, only how sure the arm sounds."""


def similarity_probabilities(
    features: NDArray[np.float32], descriptions: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Class probabilities by cosine similarity.

    Args:
        features: float32[N, d], of the texts, rows of unit length.
        descriptions: float32[K, d], of the class descriptions, rows of unit length.

    Returns:
        float64[N, K], rows sum to 1.
    """
    scores = SHARPNESS * (features.astype(np.float64) @ descriptions.astype(np.float64).T)
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


MOST_ORDERS = 4
"""Of the classes in the question; with K classes at most K."""


def prompted_probabilities(
    context: StageContext,
    model_uri: str,
    max_tokens: int,
    batch_tokens: int,
    texts: Sequence[str],
    progress: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """Class probabilities by asking a causal model the task's question, as labeler `Prompted` does without shots.

    No label of anything is read. The prior is corrected so that each class is as likely as the others over the
    texts themselves.

    Args:
        context: its spec has the task, its cache the model.
        model_uri: a causal model (`models.causal.is_causal`).
        max_tokens: texts are cut there.
        batch_tokens: tokens in a batch.
        texts: N texts.
        progress: called with (answers, all of them): one for each text and order.

    Returns:
        float64[N, K], rows sum to 1.

    Raises:
        BadSpec: a prompt is longer than the model reads, or it is no causal model.
        OwnFault: memory ran out.
    """
    task = context.spec.task
    k = len(task.classes)
    model = load_causal(fetch_model(model_uri, context.objects, context.cache), model_uri)
    cut, _ = model.cut(texts, max_tokens)
    question = Question(task, min(k, MOST_ORDERS))
    (scores,) = answer_scores(model, [question], cut, batch_tokens, progress)
    probabilities, _ = probabilities_of(scores, np.arange(len(texts), dtype=np.int64), uniform(k))
    return probabilities
