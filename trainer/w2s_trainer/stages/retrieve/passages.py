"""The passages of a job: those that rows come with, and further ones; which of them training may not see. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.data import NearDuplicates
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.duplicates import near_duplicates

UNKNOWN = -1
"""The oracle of a row of which nobody knows it."""


@dataclass(frozen=True)
class PassageSet:
    """P different passages, and which of them are whose."""

    texts: Sequence[str]
    """P of them, those that rows came with first."""
    oracle: NDArray[np.int64]
    """int64[N], the passage in which the answer of each row stands, or UNKNOWN."""
    of_test: NDArray[np.bool_]
    """bool[P], the oracle of a row of the test, or a near-duplicate of one."""

    def of_families(self, families: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """By family the passages that are the oracle of one of its rows; families are int64[N]."""
        known = np.flatnonzero(self.oracle != UNKNOWN)
        order = known[np.argsort(families[known], kind="stable")]
        kinds, starts = np.unique(families[order], return_index=True)
        parts = np.split(self.oracle[order], starts[1:]) if len(order) else []
        return {int(kind): np.unique(part) for kind, part in zip(kinds, parts, strict=True)}


def passages_of(
    oracles: Sequence[str], more: Sequence[str], is_test: NDArray[np.bool_], near: NearDuplicates
) -> PassageSet:
    """The passages of N rows and further ones, equal ones once.

    Args:
        oracles: N passages, empty where nobody knows.
        more: further ones.
        is_test: bool[N], rows of the test.
        near: says what near-duplicates are.

    Raises:
        BadData: there is none.
    """
    texts: list[str] = []
    numbers: dict[str, int] = {}

    def number_of(text: str) -> int:
        plain = normalised(text)
        if not plain:
            return UNKNOWN
        if plain not in numbers:
            numbers[plain] = len(texts)
            texts.append(text.strip())
        return numbers[plain]

    oracle = np.array([number_of(text) for text in oracles], dtype=np.int64)
    for text in more:
        number_of(text)
    if not texts:
        raise BadData(
            "NoPassages",
            "No row has a passage in the field that `task.generation.passages.oracle` names, and there are no further ones:"
            " prompts would hold none.",
            "Give passages with the rows, or as rows of `task.generation.passages.more`.",
        )
    component = near_duplicates(texts, float(near.similarity), near.shingle_words)
    tested = np.unique(oracle[is_test & (oracle != UNKNOWN)])
    return PassageSet(texts, oracle, np.isin(component, component[tested]))


def require_enough(passages: PassageSet, families: NDArray[np.int64], count: int) -> None:
    """Raises BadData where a prompt of some row would have fewer passages than `count`; families are int64[N]."""
    free = ~passages.of_test
    largest = max((int(free[own].sum()) for own in passages.of_families(families).values()), default=0)
    if int(free.sum()) - largest >= count:
        return
    raise BadData(
        "TooFewPassages",
        f"`task.generation.passages.count` is {count:,}, but of {len(passages.texts):,} passages"
        f" {int(passages.of_test.sum()):,} are those of test rows or near-duplicates of them, and up to {largest:,} of one"
        f" family: prompts of the pool can hold {max(0, int(free.sum()) - largest):,} distractors.",
        "Lower `count`, or give more passages (`task.generation.passages.more`).",
    )
