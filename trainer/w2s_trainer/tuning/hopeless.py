"""Whether a training has learned nothing by its first steps. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

_SHARE_OF_MEAN = 0.1
_FEWEST = 5


@dataclass(frozen=True)
class NotFallen:
    """A loss that is no lower than where it began."""

    steps: int
    """Steps that each mean is over."""
    first: float
    latest: float


def looked_at(steps: int, fraction: float) -> int:
    """The step after which the loss is looked at, of a schedule's steps: from 2, so that there are two to compare."""
    return min(steps, max(2, ceil(fraction * steps)))


def not_fallen(losses: Sequence[float], steps: int) -> NotFallen | None:
    """Compares the mean loss of the latest steps with that of as many at the beginning.

    Means over a tenth of the schedule, five steps at least where there are as many: a single batch says little.

    Args:
        losses: of the steps that are done, two at least.
        steps: of the whole schedule.

    Returns:
        Both, where the latest is not below the first; None where it is.
    """
    count = min(len(losses) // 2, max(_FEWEST, ceil(_SHARE_OF_MEAN * steps)))
    first, latest = (sum(part) / count for part in (losses[:count], losses[-count:]))
    return None if latest < first else NotFallen(count, first, latest)
