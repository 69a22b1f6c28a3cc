"""One question's outcome as numbers, as it is saved: no text of an answer is kept. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.label.remote.reading import KINDS

_NUMBERS = 7
"""Beside the probabilities."""


def width(k: int) -> int:
    """Numbers of a record of K classes."""
    return k + _NUMBERS


@dataclass(frozen=True)
class Records:
    """What became of m questions."""

    values: NDArray[np.float64]
    """float64[m, width(K)]."""

    @classmethod
    def one(
        cls,
        probabilities: NDArray[np.float64],
        *,
        kind: str,
        characters: int = 0,
        requests: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
        estimated: bool = False,
        from_tokens: bool = False,
    ) -> NDArray[np.float64]:
        """The row of one question, float64[width(K)].

        Args:
            probabilities: float64[K]; they mean nothing if it is an abstention.
            kind: one of KINDS.
            characters: of the answer.
            requests: that were answered.
            tokens_in: of the prompts.
            tokens_out: of the answers.
            estimated: the endpoint did not count the tokens.
            from_tokens: the probabilities are those of tokens.
        """
        numbers = (
            KINDS.index(kind), characters, requests, tokens_in, tokens_out, float(estimated), float(from_tokens)
        )  # fmt: skip
        return np.concatenate([probabilities, np.array(numbers, dtype=np.float64)])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """float64[m, K]."""
        return self.values[:, :-_NUMBERS]

    @property
    def kinds(self) -> NDArray[np.int64]:
        """int64[m], places in KINDS."""
        return self._of(0).astype(np.int64)

    @property
    def characters(self) -> NDArray[np.float64]:
        """float64[m], lengths of the answers."""
        return self._of(1)

    @property
    def requests(self) -> int:
        """Requests that were answered."""
        return int(self._of(2).sum())

    @property
    def tokens_in(self) -> int:
        """Tokens of the prompts."""
        return int(self._of(3).sum())

    @property
    def tokens_out(self) -> int:
        """Tokens of the answers."""
        return int(self._of(4).sum())

    @property
    def estimated(self) -> int:
        """Questions whose tokens the endpoint did not count."""
        return int(self._of(5).sum())

    @property
    def from_tokens(self) -> int:
        """Questions whose probabilities are those of tokens."""
        return int(self._of(6).sum())

    def _of(self, place: int) -> NDArray[np.float64]:
        return self.values[:, place - _NUMBERS]
