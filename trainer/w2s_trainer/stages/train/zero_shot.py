"""The arm `zero-shot`: the strong model as it came, without a label. An encoder compares the text with the class
descriptions; a causal model is asked."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import is_causal, load_causal
from w2s_trainer.models.head import normalise
from w2s_trainer.stages.features import text_features
from w2s_trainer.stages.label.prior import matching_shift, uniform
from w2s_trainer.stages.label.prompted import pool_rows, probabilities_of
from w2s_trainer.stages.label.question import Question, answer_scores
from w2s_trainer.stages.tables import Examples

SHARPNESS = 20.0
"""Of the softmax over cosine similarities. It changes no decision, only how sure the arm sounds."""


def zero_shot_answers(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What the strong model says without a label: a causal one is asked, an encoder compares.

    Args:
        context: its spec has a task with classes, and the strong model.
        examples: N texts.
        rows: n of them, ascending.
        features: float32[n, d] of the rows by the strong model, frozen.

    Returns:
        float64[n, K], rows sum to 1.
    """
    if is_causal(context.model.directory):
        return prompted_probabilities(context, examples, rows)
    return similarity_probabilities(normalise(features), description_features(context))


def description_features(context: StageContext) -> NDArray[np.float32]:
    """Features of the class descriptions by the strong model, float32[K, d] of unit length; a name stands for none."""
    descriptions = [label.description or label.name for label in context.spec.task.classes]
    return text_features(context, context.spec.strong.max_tokens, descriptions)


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
    context: StageContext, examples: Examples, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Class probabilities by asking a causal model the task's question, as labeler `Prompted` does without shots.

    No label of anything is read, and the answer to a text does not depend on the texts asked beside it: the
    prior is corrected so that each class is as likely as the others over a fixed sample of the pool.

    Args:
        context: its spec has the task, its model is causal (`models.causal.is_causal`).
        examples: N texts.
        rows: n of them, ascending.

    Returns:
        float64[n, K], rows sum to 1.

    Raises:
        BadSpec: a prompt is longer than the model reads, or it is no causal model.
        OwnFault: memory ran out.
    """
    task, strong = context.spec.task, context.spec.strong
    k = len(task.classes)
    pool = pool_rows(examples)
    asked = np.union1d(rows, pool)
    model = load_causal(context.model.directory, context.model.name)
    texts, _ = model.cut(examples.texts.take(asked), strong.max_tokens)
    question = Question(task, min(k, MOST_ORDERS))
    progress = partial(context.progress, "asking the model")
    (scores,) = answer_scores(model, [question], texts, strong.batch_tokens, progress)
    shift = matching_shift(scores.mean(axis=0)[np.searchsorted(asked, pool)], uniform(k))
    probabilities, _ = probabilities_of(scores[:, np.searchsorted(asked, rows)], shift)
    return probabilities
