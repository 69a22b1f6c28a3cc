"""What a test set of this size can prove, said before anything is computed (docs/protocol.md)."""

import math

DISCORDANCE = 0.25
"""The assumed share of test rows on which two arms differ in being right."""
Z_SUM = 1.959964 + 0.841621
"""Standard normal quantiles of a two-sided test at 5 % and a power of 80 %."""
LARGEST_USEFUL_GAIN = 0.20
"""A test that cannot prove a gain of this size is refused."""
LEAST_SIZE = math.floor(DISCORDANCE * (Z_SUM / LARGEST_USEFUL_GAIN) ** 2)
"""The least effective test size: 49."""


def smallest_provable_gain(size: float) -> float:
    """The gain in accuracy that a paired comparison shows in 4 of 5 cases: z·√(d / n).

    The normal approximation of McNemar's test (Connett, Smith and McHugh 1987), with the discordance d assumed.
    """
    return min(1.0, Z_SUM * math.sqrt(DISCORDANCE / size)) if size > 0 else 1.0


def families_missing(size: float, families: int) -> int:
    """How many more families of the same sizes the test needs to be worth LEAST_SIZE rows."""
    return max(0, math.ceil(families * LEAST_SIZE / size) - families) if size > 0 else LEAST_SIZE
