"""What a published classifier says of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2s_trainer.models.published import SequenceClassifier
from w2s_trainer.models.tokens import Tokens


@dataclass(frozen=True)
class ClassPredictor:
    """A classifier whose answers are a label and the probabilities of all."""

    classifier: SequenceClassifier

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """{label, probabilities} of each text, and what was read."""
        probabilities, tokens = self.classifier.probabilities(texts, batch_tokens)
        labels = self.classifier.labels
        answers = [
            {
                "label": labels[int(values.argmax())],
                "probabilities": {
                    label: round(float(value), 6) for label, value in zip(labels, values, strict=True)
                },
            }
            for values in probabilities
        ]
        return answers, tokens
