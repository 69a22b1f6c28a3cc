"""How often the protocol's 95 % intervals hold the truth, on simulated tests: the figures of docs/protocol.md.

python tests/science/interval_coverage.py      (some minutes on one core; 1,000 simulated tests a line)
"""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.evaluate.bootstrap import family_weights, interval, over_seeds, seed_shares
from w2s_trainer.stages.evaluate.worth import Labels, worth

TESTS, REPLICATES = 1000, 800


def families_or_rows(families: int) -> tuple[float, float]:
    """Coverage by families and by rows; families of 1 to 8 items, each with a difficulty of its own."""
    rng = np.random.default_rng(families)
    covered = np.zeros(2)
    for _ in range(TESTS):
        family = np.repeat(np.arange(families), rng.integers(1, 9, families))
        one, other = rng.beta(0.6, 0.3, (2, families))
        difference = (rng.random(len(family)) < one[family]).astype(float)
        difference -= rng.random(len(family)) < other[family]
        for kind, group in enumerate((family, np.arange(len(family)))):
            size = int(group.max()) + 1
            weights = family_weights(size, rng, REPLICATES)
            sums, counts = np.bincount(group, difference, size), np.bincount(group, minlength=size)
            found = interval(np.array([difference.mean()]), (weights @ sums) / (weights @ counts))
            covered[kind] += found.low <= 0 <= found.high
    return covered[0] / TESTS, covered[1] / TESTS


def seeds(count: int, spread: float) -> tuple[float, float]:
    """Coverage and mean width; 200 items, the seeds' differences spread normally."""
    rng = np.random.default_rng(count)
    covered, width = 0, 0.0
    for _ in range(TESTS):
        values = rng.normal(0.05, 0.4, 200) + rng.normal(0, spread, (count, 1))
        replicates = values @ family_weights(200, rng, REPLICATES).T / 200
        shares = seed_shares(count, rng, REPLICATES).for_intervals
        found = interval(values.mean(axis=1), over_seeds(replicates, shares))
        covered += found.low <= 0.05 <= found.high
        width += found.high - found.low
    return covered / TESTS, width / TESTS


def worth_in_labels(count: int, spread: float) -> tuple[float, float]:
    """Coverage of "worth" with the spread of the seeds, and with families alone; the truth is 2^6.5 labels."""
    rng = np.random.default_rng(count)
    sizes = np.array([16, 32, 64, 128, 256])
    covered = np.zeros(2)
    for _ in range(TESTS // 2):
        item = rng.normal(0, 0.45, 300)

        def arm(value: float, spread: float, item: NDArray[np.float64] = item) -> NDArray[np.float64]:
            return value + rng.normal(0, spread, (count, 1)) + item + rng.normal(0, 0.35, (1, 300))

        curve = [arm(0.60 + 0.04 * place, spread * 2 ** (-place / 2)) for place in range(5)]
        strong = arm(0.70, spread / 4)
        weights = family_weights(300, rng, REPLICATES).T / 300
        drawn = seed_shares(count, rng, REPLICATES)
        for kind, shares in enumerate((drawn.for_functions, drawn.for_intervals)):
            _, low, high = worth(
                sizes,
                np.array([one.mean() for one in curve]),
                float(strong.mean()),
                np.stack([over_seeds(one @ weights, shares) for one in curve]),
                over_seeds(strong @ weights, shares),
            )
            covered[kind] += _from(low) <= 2**6.5 <= _to(high)
    return covered[0] / (TESTS // 2), covered[1] / (TESTS // 2)


def _from(labels: Labels) -> float:
    return 0 if labels.bound == "fewer" else labels.count


def _to(labels: Labels) -> float:
    return np.inf if labels.bound == "at least" else labels.count


if __name__ == "__main__":
    for families in (20, 50, 100, 200):
        by_family, by_row = families_or_rows(families)
        print(f"{families:4} families: coverage {by_family:.3f}; resampled by rows {by_row:.3f}")
    for spread in (0.1, 0.03):
        for count in (2, 3, 4, 5, 6, 8, 10):
            coverage, width = seeds(count, spread)
            print(f"{count:4} seeds of sd {spread}: coverage {coverage:.3f}, width {width:.3f}")
    for count in (2, 3, 4):
        with_seeds, without = worth_in_labels(count, 0.1)
        print(f"{count:4} seeds, worth: coverage {with_seeds:.3f}; families alone {without:.3f}")
