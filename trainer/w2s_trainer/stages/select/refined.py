"""The record of edited weak labels: what `Refinement` did, and what students learn from in place of the aggregated text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.select.methods import Edited
from w2s_trainer.stages.tables import REFINED, Examples, WeakLabels, write_table


@dataclass(frozen=True)
class Refined:
    """One edit that a step made."""

    row: int
    """Of all examples."""
    step: int
    """The place of the step in the selection, from 0."""
    edited: Edited


def of_step(edits: Sequence[Edited], rows: NDArray[np.int64], step: int) -> tuple[Refined, ...]:
    """The edits that a step made of its candidates, which are some rows of all examples, int64[n]."""
    return tuple(Refined(int(rows[one.position]), step, one) for one in edits)


def with_refined(labels: WeakLabels, refined: Sequence[Refined]) -> WeakLabels:
    """Weak labels as the edits left them; those that were given stay as they are."""
    targets = labels.targets.copy()
    for one in refined:
        targets[one.row] = one.edited.after
    return replace(labels, targets=targets)


def write_refined(by_seed: Mapping[int, Sequence[Refined]], examples: Examples, directory: Path) -> None:
    """Writes every edit of every seed, in order; nothing where there is none.

    Args:
        by_seed: the edits.
        examples: that the rows are of.
        directory: of the artifact.
    """
    lines = [(seed, one) for seed, refined in by_seed.items() for one in refined]
    if not lines:
        return
    rows = np.array([one.row for _, one in lines], dtype=np.int64)
    write_table(
        {
            "id": examples.ids.take(rows).arrow(),
            "seed": np.array([seed for seed, _ in lines], dtype=np.int32),
            "step": np.array([one.step for _, one in lines], dtype=np.int32),
            "edit": np.array([one.edited.edit for _, one in lines], dtype=np.int32),
            "operation": [one.edited.operation for _, one in lines],
            "before": [one.edited.before for _, one in lines],
            "after": [one.edited.after for _, one in lines],
        },
        directory / REFINED,
    )
