"""The record of corrected weak labels: what `Correction` did, and what students learn in place of the aggregated label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.select.methods import Corrected
from w2s_trainer.stages.tables import CORRECTED, Examples, WeakLabels, lists, write_table


@dataclass(frozen=True)
class OfRow:
    """One change that a step made."""

    row: int
    """Of all examples."""
    step: int
    """The place of the step in the selection, from 0."""
    corrected: Corrected


def corrected_rows(corrections: Sequence[Corrected], rows: NDArray[np.int64], step: int) -> tuple[OfRow, ...]:
    """The changes that a step made of its candidates, which are some rows of all examples, int64[n]."""
    return tuple(OfRow(int(rows[one.position]), step, one) for one in corrections)


def with_corrected(labels: WeakLabels, corrected: Sequence[OfRow]) -> WeakLabels:
    """Weak labels as the changes left them; those that were given stay as they are."""
    targets = labels.targets.copy()
    for one in corrected:
        targets[one.row] = one.corrected.target
    return replace(labels, targets=targets)


def write_corrected(by_seed: Mapping[int, Sequence[OfRow]], examples: Examples, directory: Path) -> None:
    """Writes every change of every seed, in order; nothing where there is none.

    Args:
        by_seed: the changes.
        examples: that the rows are of.
        directory: of the artifact.
    """
    lines = [(seed, one) for seed, corrected in by_seed.items() for one in corrected]
    if not lines:
        return
    made = [one.corrected for _, one in lines]
    write_table(
        {
            "id": examples.ids.take(np.array([one.row for _, one in lines], dtype=np.int64)).arrow(),
            "seed": np.array([seed for seed, _ in lines], dtype=np.int32),
            "step": np.array([one.step for _, one in lines], dtype=np.int32),
            "before": [one.before for one in made],
            "after": [one.after for one in made],
            "probabilities": lists(np.stack([one.target for one in made])),
            "agreement": np.array([one.agreement for one in made], dtype=np.float32),
            "probability": np.array([one.probability for one in made], dtype=np.float32),
            "nearestGold": np.array([one.nearest_gold for one in made], dtype=np.float32),
        },
        directory / CORRECTED,
    )
