"""The learning rate of a step. Pure."""

from math import cos, pi
from typing import Literal

Shape = Literal["Linear", "Cosine", "Constant"]


def learning_rate_factor(step: int, steps: int, warmup_fraction: float, shape: Shape) -> float:
    """What the highest learning rate is multiplied by at a step.

    It rises linearly over the first ⌊warmup_fraction · steps⌋ steps, and never is 0: every step learns. Then it
    goes down to 0 at `steps`, in a line or along half a cosine (Loshchilov & Hutter 2016), or stays.

    Args:
        step: from 0.
        steps: of the whole schedule.
        warmup_fraction: from 0 to 1.
        shape: of what comes after the warm-up.
    """
    warmup = int(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    match shape:
        case "Linear":
            return 1 - done
        case "Cosine":
            return (1 + cos(pi * done)) / 2
        case "Constant":
            return 1.0
