"""Which passages stand in the prompt of each row (docs/protocol.md). Pure.

RAFT: Zhang et al. 2024, "Adapting Language Model to Domain Specific RAG", arXiv 2403.10131, section 3.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import centred
from w2s_trainer.stages.retrieve.passages import UNKNOWN, PassageSet

_CHUNK = 512
"""Rows that are compared with all passages at once."""


@dataclass(frozen=True)
class Chosen:
    """The passages of the prompts of N rows."""

    numbers: list[list[int]]
    """Of each row, in the order of the prompt."""
    ranks: NDArray[np.int64]
    """int64[N]: of test rows with an oracle how many passages are nearer than it, -1 of all others."""


def as_text(passages: Sequence[str]) -> str:
    """Passages as they stand in a prompt, each with its number from 1."""
    return "\n\n".join(f"[{number}] {text}" for number, text in enumerate(passages, 1))


def choose(
    passages: PassageSet,
    rows: NDArray[np.floating],
    places: NDArray[np.floating],
    mean: NDArray[np.floating],
    *,
    ids: Sequence[str],
    is_test: NDArray[np.bool_],
    families: NDArray[np.int64],
    count: int,
    oracle_share: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Chosen:
    """Chooses the passages of each prompt: of the test the nearest, elsewhere the oracle or not, and distractors.

    Args:
        passages: P of them, and the oracles of N rows.
        rows: features float[N, d] of the rows' texts.
        places: features float[P, d] of the passages.
        mean: features float[d], of texts that may be looked at: what all have in common tells none from another.
        ids: of the N rows; what is drawn for a row depends on its id alone.
        is_test: bool[N].
        families: int64[N].
        count: passages of a prompt.
        oracle_share: how often the oracle is among them, but for the test.
        progress: told (rows done, N).
    """
    near_to = centred(places, places.mean(axis=0)).T
    own = passages.of_families(families)
    numbers: list[list[int]] = []
    ranks = np.full(len(rows), -1, dtype=np.int64)
    for start in range(0, len(rows), _CHUNK):
        near = centred(rows[start : start + _CHUNK], mean) @ near_to
        for row, similar in enumerate(near, start):
            oracle = int(passages.oracle[row])
            if is_test[row]:
                order = _nearest(similar, len(similar))
                if oracle != UNKNOWN:
                    ranks[row] = int(np.flatnonzero(order == oracle)[0])
                numbers.append(order[:count].tolist())
                continue
            similar[passages.of_test] = -np.inf
            similar[own.get(int(families[row]), [])] = -np.inf
            distractors = _nearest(similar, count).tolist()
            rng = _rng(ids[row])
            is_shown = rng.random() < oracle_share
            if oracle != UNKNOWN and not passages.of_test[oracle] and is_shown:
                distractors = [oracle, *distractors[: count - 1]]
            numbers.append([distractors[place] for place in rng.permutation(len(distractors)).tolist()])
        progress(min(start + _CHUNK, len(rows)), len(rows))
    return Chosen(numbers, ranks)


def recall(ranks: NDArray[np.int64], count: int) -> dict[str, float]:
    """The share of the test rows with an oracle whose oracle is among the k nearest passages, for k = 1 and k = count."""
    known = ranks[ranks >= 0]
    if not len(known):
        return {}
    return {str(k): round(float((known < k).mean()), 6) for k in sorted({1, count})}


def _nearest(similar: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the largest, the largest first; those that are -inf are left out."""
    order = np.argsort(-similar, kind="stable")[:count]
    return np.asarray(order[np.isfinite(similar[order])], dtype=np.int64)


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(
        int.from_bytes(hashlib.sha256(f"passages\0{name}".encode()).digest()[:8], "big")
    )
