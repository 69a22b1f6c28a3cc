"""Texts as blocks of equal length, and what a model is asked about a block: the next token, or those that are hidden. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.ragged import Ragged

MASKED, REPLACED = 0.8, 0.1
"""Shares of the hidden tokens that become the mask token, and any token; the others stay (Devlin et al. 2019, 3.1)."""


@dataclass(frozen=True)
class Frame:
    """What stands around the tokens of a block, and between two texts in it."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    between: tuple[int, ...] = ()

    @property
    def tokens(self) -> frozenset[int]:
        """All of them."""
        return frozenset({*self.before, *self.after, *self.between})


def pack(texts: Iterable[Sequence[int]], frame: Frame, block_tokens: int) -> Ragged:
    """Puts texts end to end and cuts them into blocks (Liu et al. 2019, arXiv 1907.11692: FULL-SENTENCES).

    Args:
        texts: token ids of each, without special tokens, in the order in which they are read.
        frame: what stands around and between them.
        block_tokens: tokens of a block, its frame included; more than the frame has.

    Returns:
        Blocks of exactly so many tokens, but for the last one, which may be shorter; two at least.

    Raises:
        ValueError: the frame leaves no room for a token.
    """
    room = block_tokens - len(frame.before) - len(frame.after)
    if room < 1:
        raise ValueError(f"blocks of {block_tokens} tokens leave no room beside {frame}")

    def blocks() -> Iterator[list[int]]:
        rest: list[int] = []
        for ids in texts:
            if not len(ids):
                continue
            rest += [*(frame.between if rest else ()), *ids]
            while len(rest) >= room:
                yield [*frame.before, *rest[:room], *frame.after]
                rest = rest[room:]
        if len(frame.before) + len(rest) > 1:  # one token alone says nothing of a next one
            yield [*frame.before, *rest, *frame.after]

    return Ragged(blocks())


@dataclass(frozen=True)
class Asked:
    """What a model reads of a block, and what it is to say at which places."""

    ids: NDArray[np.int64]
    """int64[t]."""
    places: NDArray[np.int64]
    """int64[m], ascending."""
    targets: NDArray[np.int64]
    """int64[m]."""


class Question(Protocol):
    """What a model is asked about blocks."""

    def ask(self, ids: NDArray[np.int64], rng: np.random.Generator) -> Asked:
        """The question about one block, int64[t]."""


@dataclass(frozen=True)
class NextToken:
    """Each token, those before it being given: of causal models."""

    def ask(self, ids: NDArray[np.int64], rng: np.random.Generator) -> Asked:
        """Nothing is drawn."""
        del rng
        return Asked(ids[:-1], np.arange(len(ids) - 1), ids[1:])


@dataclass(frozen=True)
class Masking:
    """A share of the tokens, all others being given (Devlin et al. 2019, arXiv 1810.04805): of encoders."""

    fraction: float
    mask: int
    """The token that stands for a hidden one."""
    words: NDArray[np.int64]
    """int64[v], the tokens that may replace one."""
    special: frozenset[int]
    """Tokens that are never hidden."""

    def ask(self, ids: NDArray[np.int64], rng: np.random.Generator) -> Asked:
        """Hides round(fraction · n) of a block's n tokens that are not special, one at least."""
        eligible = np.flatnonzero(~np.isin(ids, list(self.special)))
        eligible = eligible if len(eligible) else np.arange(len(ids))
        count = min(len(eligible), max(1, round(self.fraction * len(eligible))))
        places = np.sort(rng.permutation(eligible)[:count])
        shown, fate = ids.copy(), rng.random(count)
        any_word = self.words[rng.integers(len(self.words), size=count)]
        shown[places] = np.where(
            fate < MASKED, self.mask, np.where(fate < MASKED + REPLACED, any_word, ids[places])
        )
        return Asked(shown, places, ids[places])
