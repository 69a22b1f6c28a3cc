"""What a published classifier says of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.published import SequenceClassifier
from w2s_trainer.models.tokens import Tokens


@dataclass(frozen=True)
class ClassPredictor:
    """A classifier whose answers are a label and the probabilities of all."""

    classifier: SequenceClassifier

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """{label, probabilities} of each text, and what was read."""
        probabilities, tokens = self.classifier.probabilities(texts, batch_tokens)
        return self.in_words(probabilities), tokens

    def in_words(self, probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
        """{label, probabilities} of each text, from float64[n, K] in the order of the model's labels."""
        labels = self.classifier.labels
        return [
            {
                "label": labels[int(values.argmax())],
                "probabilities": {
                    label: round(float(value), 6) for label, value in zip(labels, values, strict=True)
                },
            }
            for values in probabilities
        ]
