"""The arm `untouched`: the strong model as it came, by similarity of a text to the class descriptions."""

import numpy as np
from numpy.typing import NDArray

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
