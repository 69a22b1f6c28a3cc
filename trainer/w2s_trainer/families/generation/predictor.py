"""What a published model writes about texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.families.generation.reading import tokens_of
from w2s_trainer.families.generation.writing import Answered, Progress, written_by
from w2s_trainer.models.causal import CausalModel, load_causal
from w2s_trainer.models.tokens import Tokens


@dataclass(frozen=True)
class Writer:
    """A causal model that is asked as it was tuned."""

    model: CausalModel
    task: Task
    max_tokens: int

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """{text, probability} of each text, and what was read."""
        written = self.write(texts, batch_tokens)
        return in_words(written.texts, written.probability), self.read(texts)

    def write(
        self,
        texts: Sequence[str],
        batch_tokens: int,
        progress: Progress = lambda _done, _total: None,
    ) -> Answered:
        """What it writes about n texts."""
        return written_by(self.model, self.task, texts, self.max_tokens, batch_tokens, progress)

    def read(self, texts: Sequence[str]) -> Tokens:
        """What it reads of n texts."""
        return tokens_of(self.model.tokenizer, self.task, texts, self.max_tokens)


def in_words(texts: NDArray[np.object_], probability: NDArray[np.float64]) -> list[dict[str, Any]]:
    """{text, probability} of each of n texts."""
    return [
        {"text": text, "probability": round(p, 6)}
        for text, p in zip(texts.tolist(), probability.tolist(), strict=True)
    ]


def load_writer(directory: Path, marks: Path, name: str) -> Writer:
    """A published model.

    Args:
        directory: in which it was written.
        marks: the file beside it that says how it is asked.
        name: what a person calls it.

    Raises:
        BadSpec: the file is not what this version writes, or it is no causal model.
    """
    try:
        plain = json.loads(marks.read_text(encoding="utf-8"))
        task = Task.model_validate({name: plain[name] for name in ("type", "instruction", "generation")})
        max_tokens = int(plain["maxTokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSpec(
            "UnknownTask",
            f"{name}: {marks.name} does not say how the model is asked ({error}).",
            "Use the version that published the model.",
        ) from error
    return Writer(load_causal(directory, name), task, max_tokens)
