"""How far a student copies its teacher's errors, in words. Pure."""

from collections.abc import Mapping
from typing import Any


def imitation_sentence(results: Mapping[str, Any]) -> str:
    """Says how far the student copies its teacher's errors."""
    figures = results["evaluation"]["imitation"]
    right, wrong = figures["agreesWhereWeakIsRight"], figures["agreesWhereWeakIsWrong"]
    if right is None or wrong is None:
        return "The weak labels were right everywhere or wrong everywhere on the test, so that copying cannot be told."
    said = (
        f"Where the weak labels were right ({figures['weakRight']:,} texts) the new model agrees with {right:.0%} of"
        f" them; where they were wrong ({figures['weakWrong']:,} texts) it repeats {wrong:.0%} of the errors."
    )
    untuned = results["evaluation"].get("untunedImitation") or {}
    by_itself = untuned.get("agreesWhereWeakIsWrong")
    if by_itself is None:
        return said
    return f"{said} As it came, having seen no weak label, it makes {by_itself:.0%} of them by itself."
