"""How far a student copies its teacher's errors, in words. Pure."""

from collections.abc import Mapping
from typing import Any


def imitation_sentence(results: Mapping[str, Any]) -> str:
    """Says how far the student copies its teacher's errors."""
    figures = results["evaluation"]["imitation"]
    right, wrong = figures["agreesWhereWeakIsRight"], figures["agreesWhereWeakIsWrong"]
    if right is None or wrong is None:
        return "The weak labels were right everywhere or wrong everywhere on the test, so that copying cannot be told."
    return (
        f"Where the weak labels were right ({figures['weakRight']:,} texts) the new model agrees with {right:.0%} of"
        f" them; where they were wrong ({figures['weakWrong']:,} texts) it repeats {wrong:.0%} of the errors."
    )
