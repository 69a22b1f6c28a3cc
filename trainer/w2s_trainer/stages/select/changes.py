"""What steps of the selection changed of weak labels, and what students learn from in place of the aggregated ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.tables import Examples, WeakLabels, write_table


class Made(Protocol):
    """What was made of one candidate."""

    @property
    def position(self) -> int:
        """Among the candidates."""

    @property
    def target(self) -> Any:
        """The label from then on."""


M = TypeVar("M", bound=Made)


@dataclass(frozen=True)
class Change(Generic[M]):
    """One change that a step made."""

    row: int
    """Of all examples."""
    step: int
    """The place of the step in the selection, from 0."""
    made: M


def changes_of(made: Sequence[M], rows: NDArray[np.int64], step: int) -> tuple[Change[M], ...]:
    """The changes that a step made of its candidates, which are some rows of all examples, int64[n]."""
    return tuple(Change(int(rows[one.position]), step, one) for one in made)


def with_changes(labels: WeakLabels, changes: Sequence[Change[M]]) -> WeakLabels:
    """Weak labels as the changes left them; those that were given stay as they are."""
    targets = labels.targets.copy()
    for one in changes:
        targets[one.row] = one.made.target
    return replace(labels, targets=targets)


def write_changes(
    by_seed: Mapping[int, Sequence[Change[M]]],
    examples: Examples,
    columns: Callable[[Sequence[M]], Mapping[str, Any]],
    path: Path,
) -> None:
    """Writes every change of every seed, in order; nothing where there is none.

    Args:
        by_seed: the changes.
        examples: that the rows are of.
        columns: what is told of each, beside its text, seed and step.
        path: of the table.
    """
    lines = [(seed, one) for seed, changes in by_seed.items() for one in changes]
    if not lines:
        return
    rows = np.array([one.row for _, one in lines], dtype=np.int64)
    write_table(
        {
            "id": examples.ids.take(rows).arrow(),
            "seed": np.array([seed for seed, _ in lines], dtype=np.int32),
            "step": np.array([one.step for _, one in lines], dtype=np.int32),
            **columns([one.made for _, one in lines]),
        },
        path,
    )
