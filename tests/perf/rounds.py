"""Times two or more ways of doing one thing, in turn, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FEWEST = 3


@dataclass(frozen=True)
class Timed:
    """Seconds of each way, round by round."""

    seconds: Mapping[str, list[float]]

    def ratio(self, of: str, to: str) -> tuple[float, float, float]:
        """How many times as long `of` takes as `to`: median of the rounds' ratios, the least, the greatest."""
        ratios = [a / b for a, b in zip(self.seconds[of], self.seconds[to], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int, bound: float) -> Timed:
    """Each way `rounds` times in turn, every other round backwards; all of them are to be warm already.

    After `bound` seconds no further round begins, but three there are in any case.
    """
    began = time.perf_counter()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        if number >= FEWEST and time.perf_counter() - began > bound:
            break
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    return Timed(seconds)
