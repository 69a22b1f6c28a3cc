"""What is read from the answers to a question, and how it is saved."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.label.remote.client import MOST_LOGPROBS, NO_LOGPROBS
from w2s_trainer.stages.label.remote.reading import combined, log_likelihood, read, read_text
from w2s_trainer.stages.label.remote.record import Records, width
from w2s_trainer.stages.label.remote.reply import Choice


class Form(Protocol):
    """How the answers to a question are read: as a class, or as the text that was to be written."""

    @property
    def samples(self) -> int:
        """Answers to a question."""

    @property
    def width(self) -> int:
        """Values that are saved of a question."""

    @property
    def dtype(self) -> Any:
        """Of them."""

    @property
    def most_logprobs(self) -> Sequence[int]:
        """Tokens beside each one whose probabilities are asked for; the next where the endpoint refuses so many."""

    def answered(self, choices: Sequence[Choice], **counts: Any) -> NDArray[Any]:
        """What is saved of a question, [width]; `counts` are as of `Records.one`."""

    def unanswered(self, kind: str, **counts: Any) -> NDArray[Any]:
        """What is saved of a question that has no answer, [width]."""

    def records(self, rows: NDArray[Any]) -> Records:
        """What became of m questions, [m, width]."""


@dataclass(frozen=True)
class ClassForm:
    """Each answer names a class."""

    names: Sequence[str]
    """Of the K classes."""
    samples: int
    reasoning: bool
    dtype = np.float64
    most_logprobs = MOST_LOGPROBS

    @property
    def width(self) -> int:
        """See Form."""
        return width(len(self.names))

    def answered(self, choices: Sequence[Choice], **counts: Any) -> NDArray[Any]:
        """See Form."""
        readings = [read(choice, self.names, reasoning=self.reasoning) for choice in choices]
        kind, probabilities, from_tokens = combined(readings, len(self.names))
        characters = len(choices[0].text)
        return Records.one(probabilities, kind=kind, characters=characters, from_tokens=from_tokens, **counts)

    def unanswered(self, kind: str, **counts: Any) -> NDArray[Any]:
        """See Form."""
        return Records.one(np.zeros(len(self.names)), kind=kind, **counts)

    def records(self, rows: NDArray[Any]) -> Records:
        """See Form."""
        return Records(rows)


@dataclass(frozen=True)
class TextForm:
    """Each answer is the text; a question is saved as one line of JSON, since texts are of any length."""

    samples: int
    stop: tuple[str, ...] = ()
    """A text ends before the first of these."""
    is_likely: bool = False
    """Whether the log-probability of each text is kept, where the endpoint gives those of tokens."""
    dtype = object
    width = 1
    most_logprobs = (0, NO_LOGPROBS)

    def answered(self, choices: Sequence[Choice], **counts: Any) -> NDArray[Any]:
        """See Form."""
        readings = [read_text(choice, self.stop) for choice in choices]
        kinds = [kind for kind, _ in readings]
        kind = "answered" if "answered" in kinds else kinds[0]
        texts = [text for _, text in readings]
        characters = len(choices[0].text)
        if not self.is_likely:
            return _line(Records.one(np.zeros(0), kind=kind, characters=characters, **counts), texts)
        likely = [log_likelihood(choice, text) for choice, text in zip(choices, texts, strict=True)]
        from_tokens = not all(math.isnan(one) for one in likely)
        record = Records.one(np.zeros(0), kind=kind, characters=characters, from_tokens=from_tokens, **counts)
        return _line(record, texts, likely)

    def unanswered(self, kind: str, **counts: Any) -> NDArray[Any]:
        """See Form."""
        return _line(Records.one(np.zeros(0), kind=kind, **counts), [""] * self.samples)

    def records(self, rows: NDArray[Any]) -> Records:
        """See Form."""
        values = [json.loads(line)["record"] for line in rows[:, 0].tolist()]
        return Records(np.array(values, dtype=np.float64).reshape(len(rows), width(0)))

    def texts(self, rows: NDArray[Any]) -> NDArray[np.object_]:
        """The answers to m questions, str[m, samples]; empty where one is no answer."""
        texts = [json.loads(line)["texts"] for line in rows[:, 0].tolist()]
        return np.array(texts, dtype=object).reshape(len(rows), self.samples)

    def log_likelihoods(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Of the answers to m questions, float64[m, samples]; not a number where it is not known."""
        lines = [json.loads(line).get("logLikelihoods") for line in rows[:, 0].tolist()]
        known = [
            [float("nan") if one is None else one for one in line or [None] * self.samples] for line in lines
        ]
        return np.array(known, dtype=np.float64).reshape(len(rows), self.samples)


def _line(
    record: NDArray[np.float64], texts: Sequence[str], likely: Sequence[float] | None = None
) -> NDArray[Any]:
    plain: dict[str, Any] = {"record": record.tolist(), "texts": list(texts)}
    if likely is not None:
        plain["logLikelihoods"] = [None if math.isnan(one) else one for one in likely]
    return np.array([json.dumps(plain, ensure_ascii=False)], dtype=object)
