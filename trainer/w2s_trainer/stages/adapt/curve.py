"""What the losses on held-out blocks say. Pure."""

import math
from typing import Any


def curve(losses: list[tuple[int, float]]) -> dict[str, Any]:
    """The loss before, at the end, and how far it rose meanwhile.

    The stability gap (Guo et al. 2024, arXiv 2406.14833) is a loss above that before, which later goes away.

    Args:
        losses: (steps done, loss), ascending, that before the first step among them.
    """
    before, after = losses[0][1], losses[-1][1]
    worst_step, worst = max(losses, key=lambda one: one[1])
    gap = None
    if worst > before:
        back = [step for step, loss in losses if step > worst_step and loss <= before]
        gap = {
            "step": worst_step,
            "rise": round(worst - before, 5),
            "recoveredAtStep": back[0] if back else None,
        }
    return {
        "lossBefore": round(before, 5),
        "lossAfter": round(after, 5),
        "perplexityBefore": round(math.exp(min(before, 700.0)), 3),
        "perplexityAfter": round(math.exp(min(after, 700.0)), 3),
        "heldOutLosses": [{"step": step, "loss": round(loss, 5)} for step, loss in losses],
        "stabilityGap": gap,
    }
