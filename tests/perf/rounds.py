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
    processor: Mapping[str, list[float]]
    """Of the processor, which other work on the machine disturbs less."""

    def ratio(self, of: str, to: str) -> tuple[float, float, float]:
        """How many times as long `of` takes as `to`: median of the rounds' ratios, the least, the greatest."""
        return _ratio(self.seconds[of], self.seconds[to])

    def processor_ratio(self, of: str, to: str) -> tuple[float, float, float]:
        """The same by the time of the processor."""
        return _ratio(self.processor[of], self.processor[to])

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int, bound: float) -> Timed:
    """Each way `rounds` times in turn, every other round backwards; all of them are to be warm already.

    After `bound` seconds no further round begins, but three there are in any case.
    """
    began = time.perf_counter()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        if number >= FEWEST and time.perf_counter() - began > bound:
            break
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            started, worked = time.perf_counter(), time.process_time()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - worked)
    return Timed(seconds, processor)


def _ratio(these: list[float], those: list[float]) -> tuple[float, float, float]:
    ratios = [a / b for a, b in zip(these, those, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)
