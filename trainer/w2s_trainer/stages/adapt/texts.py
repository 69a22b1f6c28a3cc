"""The texts that a model is pretrained or calibrated on: the pool, and corpora without what the test has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_api.spec.data import Data, Source
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.duplicates import near_duplicates
from w2s_trainer.stages.prepare.usable import SourceReader
from w2s_trainer.stages.session import hold_out
from w2s_trainer.stages.tables import Examples, read_examples
from w2s_trainer.store.objects import Objects

SEED = 0
"""Draws what is held out and the subset: one model is made for all seeds of the job."""


class NamesTexts(Protocol):
    """Settings of a step that reads texts."""

    @property
    def pool(self) -> bool:
        """Whether those of the pool are read."""

    @property
    def corpora(self) -> list[Source]:
        """Where more of them are."""


class DividesTexts(NamesTexts, Protocol):
    """Settings of a step that measures on some of its texts."""

    @property
    def held_out_fraction(self) -> str:
        """The share of them, whole families, that is measured on."""


@dataclass(frozen=True)
class PretrainingTexts:
    """n texts with their families, and which of them are held out."""

    texts: Sequence[str]
    learnt: NDArray[np.int64]
    """int64[a], places of those that are learnt from."""
    held_out: NDArray[np.int64]
    """int64[b], places of those on which the loss is measured."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of each source, and of what was left out, as JSON."""


def pretraining_texts(context: StageContext, settings: DividesTexts, subset: float = 1) -> PretrainingTexts:
    """Reads the texts of a step: those of the pool first.

    Args:
        context: of the stage.
        settings: of the step.
        subset: the share of the others that is learnt from, whole families.

    Raises:
        BadData: a corpus cannot be read, or nothing is left to hold out, or to learn from.
    """
    examples = read_examples(context.artifact("examples"), context.scratch)
    pool = examples.rows("pool")
    counts: dict[str, int] = {}
    if settings.pool:
        counts["pool"] = len(pool)
    else:
        pool = pool[:0]
    texts: Sequence[str] = examples.texts.take(pool)
    families = examples.families[pool]
    if settings.corpora:
        found = list(texts_of(context, settings.corpora))
        kept = _unlike_the_test(found, examples, context.spec.data)
        known = set(texts)
        fresh = [text for text in dict.fromkeys(kept) if text not in known]
        first = int(examples.families.max(initial=-1)) + 1
        families = np.concatenate([families, np.arange(first, first + len(fresh))])
        texts = [*texts, *fresh]
        counts |= {
            "corpora": len(fresh),
            "likeTheTest": len(found) - len(kept),
            "knownBefore": len(kept) - len(fresh),
        }
    return _divided(texts, families, float(settings.held_out_fraction), subset, counts)


def replayed_texts(context: StageContext, settings: Pretrain, domain: Sequence[str]) -> PretrainingTexts:
    """Reads the general texts of a step; each is a family of its own.

    Args:
        context: of the stage.
        settings: with `replay`.
        domain: texts that the step learns from, or measures on, anyway.

    Raises:
        BadData: a corpus cannot be read, or nothing is left to hold out, or to replay.
    """
    assert settings.replay is not None
    found = list(texts_of(context, settings.replay.corpora))
    examples = read_examples(context.artifact("examples"), context.scratch)
    kept = _unlike_the_test(found, examples, context.spec.data)
    known = set(domain)
    texts = [text for text in dict.fromkeys(kept) if text not in known]
    if len(texts) < 2:
        raise BadData(
            "NothingToReplay",
            f"Of {len(found):,} texts of `replay.corpora`, {len(texts):,} are neither of the domain nor like the test: one must"
            " be held out, and one replayed.",
            "Name general texts that are not among those of the domain.",
        )
    held_out = hold_out(np.arange(len(texts)), float(settings.held_out_fraction), SEED)
    counts = {
        "texts": len(texts),
        "likeTheTest": len(found) - len(kept),
        "knownBefore": len(kept) - len(texts),
        "heldOut": int(held_out.sum()),
    }
    return PretrainingTexts(texts, np.flatnonzero(~held_out), np.flatnonzero(held_out), counts)


def check_corpora(data: Data, sources: Sequence[Source], objects: Objects, scratch: Path) -> None:
    """Reads the first usable row of each corpus: a wrong field, format or place is told before anything is run.

    Raises:
        BadSpec, BadData: it cannot be read.
    """
    for source in sources:
        reader = SourceReader.beside(source.uri, data.fields, objects)
        next(reader.examples(objects, scratch), None)


def texts_of(context: StageContext, sources: Sequence[Source]) -> Iterator[str]:
    """The texts of corpora, in order; of each is told how many there are."""
    for source in sources:
        reader = SourceReader.beside(source.uri, context.spec.data.fields, context.objects)
        before = 0
        for example in reader.examples(context.objects, context.scratch):
            before += 1
            yield example.text
        passed = f"; {len(reader.quarantine):,} cannot be used" if reader.quarantine else ""
        context.progress.note(f"Read {before:,} usable rows of {source.uri}{passed}")


def _unlike_the_test(found: Sequence[str], examples: Examples, data: Data) -> list[str]:
    """The texts that are near-duplicates of no text of the test, by the thresholds of the job."""
    test = list(examples.texts.take(examples.rows("test")))
    distinct = list(dict.fromkeys([*test, *found]))
    near = data.near_duplicates
    component = dict(
        zip(
            distinct,
            near_duplicates(distinct, float(near.similarity), near.shingle_words).tolist(),
            strict=True,
        )
    )
    tested = {component[text] for text in test}
    return [text for text in found if component[text] not in tested]


def _divided(
    texts: Sequence[str], families: NDArray[np.int64], fraction: float, subset: float, counts: dict[str, int]
) -> PretrainingTexts:
    if len(np.unique(families)) < 2:
        raise BadData(
            "NothingToPretrainOn",
            f"There are {len(texts):,} texts of {len(np.unique(families)):,} families to read: one must be held out, and"
            " one learnt from.",
            "Add texts to `data.unlabeled`, or name `corpora`.",
        )
    held_out = hold_out(families, fraction, SEED)
    rest = np.flatnonzero(~held_out)
    if subset < 1 and len(np.unique(families[rest])) > 1:
        rest = rest[hold_out(families[rest], subset, SEED + 1)]
    return PretrainingTexts(
        texts, rest, np.flatnonzero(held_out), {**counts, "learnt": len(rest), "heldOut": int(held_out.sum())}
    )
