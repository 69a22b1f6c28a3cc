"""The blocks that a model is pretrained on, and those on which its loss is measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.stages.adapt.packed import packed
from w2s_trainer.stages.adapt.texts import SEED, PretrainingTexts, pretraining_texts, replayed_texts
from w2s_trainer.stages.columns import taken
from w2s_trainer.tuning.language_model import LanguageModel
from w2s_trainer.tuning.mixture import Mixture, apportioned, replayed
from w2s_trainer.tuning.order import Batches, Order


@dataclass(frozen=True)
class Corpus:
    """Blocks of the domain and of general texts, each divided into those that are learnt and those that are held out."""

    domain: Ragged
    held_out: Ragged
    replayed: Ragged
    """Empty without `replay`."""
    general: Ragged
    """General blocks that are held out; empty without `replay`."""
    counts: dict[str, Any]
    """Of texts, as JSON."""
    replay_counts: dict[str, Any]

    @property
    def learnt(self) -> Ragged:
        """All that may be drawn: the blocks of the domain, then general ones."""
        return Ragged(chain(_rows(self.domain), _rows(self.replayed))) if len(self.replayed) else self.domain

    def order(self, batch_size: int, epochs: int, fraction: float) -> Batches:
        """What each step is made of: each block of the domain so often, and general ones among them.

        Args:
            batch_size: blocks of a step.
            epochs: how often each block of the domain is seen.
            fraction: share of general blocks; 0: none.
        """
        if not fraction:
            return Order(len(self.domain), batch_size, epochs, SEED)
        draws = epochs * len(self.domain)
        return Mixture(self._sizes, ((draws, replayed(draws, fraction)),), batch_size, SEED)

    def pilot(self, batch_size: int, steps: int, fraction: float) -> Batches:
        """So many steps with a share of general blocks, each of them full."""
        draws = apportioned(steps * batch_size, (1 - fraction, fraction))
        return Mixture(self._sizes, (draws,), batch_size, SEED)

    @property
    def _sizes(self) -> tuple[int, int]:
        return len(self.domain), len(self.replayed)


def read_corpus(context: StageContext, settings: Pretrain, model: LanguageModel) -> Corpus:
    """Reads and tokenises the texts of a step.

    Raises:
        BadData: a corpus cannot be read, nothing is left to hold out, or blocks are fewer than a step has.
    """
    read = pretraining_texts(context, settings, float(settings.subset))
    domain, held_out = _divided(model, read, settings)
    _check_size(domain, held_out, read, settings)
    if settings.replay is None:
        return Corpus(domain, held_out, Ragged([]), Ragged([]), read.counts, {})
    general = replayed_texts(context, settings, read.texts)
    learnt, measured = _divided(model, general, settings)
    if not (len(learnt) and len(measured)):
        raise BadData(
            "NothingToReplay",
            f"{len(general.learnt):,} general texts fill {len(learnt):,} blocks, and {len(general.held_out):,} that are held"
            f" out {len(measured):,}.",
            "Add general texts (`replay.corpora`).",
        )
    return Corpus(domain, held_out, learnt, measured, read.counts, general.counts)


def _divided(model: LanguageModel, read: PretrainingTexts, settings: Pretrain) -> tuple[Ragged, Ragged]:
    learnt, held_out = (
        packed(model, taken(read.texts, rows), settings.block_tokens) for rows in (read.learnt, read.held_out)
    )
    return learnt, held_out


def _rows(blocks: Ragged) -> Iterable[NDArray[np.int32]]:
    return (blocks.row(place) for place in range(len(blocks)))


def _check_size(learnt: Ragged, held_out: Ragged, read: PretrainingTexts, settings: Pretrain) -> None:
    size = settings.training.batch_size
    if len(learnt) >= size and len(held_out):
        return
    raise BadData(
        "CorpusTooSmall",
        f"{len(read.learnt):,} texts fill {len(learnt):,} blocks of {settings.block_tokens:,} tokens, and a step of the"
        f" training has {size:,}; {len(held_out):,} more are held out.",
        "Add texts (`corpora`), or set `blockTokens` or `training.batchSize` lower.",
    )
