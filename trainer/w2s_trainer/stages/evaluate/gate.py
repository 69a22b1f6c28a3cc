"""The promotion gate (docs/protocol.md, Promotion): applied once, by `evaluate`; everyone else reads what it said. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s_api.arms import BASELINES


@dataclass(frozen=True)
class Decision:
    """Whether the model is published, and why."""

    promoted: bool
    reasons: tuple[str, ...]
    """One sentence for each arm it was held against."""

    def to_json(self) -> dict[str, Any]:
        """The `decision` part of results.json."""
        return {"promoted": self.promoted, "reasons": list(self.reasons)}


def apply_gate(evaluation: Mapping[str, Any], must_beat: Sequence[str], min_lower_bound: float) -> Decision:
    """Holds the comparisons of the declared metric against the gate.

    Args:
        evaluation: the `evaluation` part of results.json.
        must_beat: arms to beat, as the manifest writes them (`Weak`); one that was not computed is not beaten.
        min_lower_bound: what each lower bound of the 95 % interval must exceed.
    """
    comparisons = {comparison["baseline"]: comparison for comparison in evaluation["comparisons"]}
    candidate, reasons, promoted = evaluation["candidate"], [], True
    named = {BASELINES[value] for value in must_beat}
    order = [name for name in comparisons if name in named]
    for name in [*order, *sorted(named - set(order))]:
        comparison = comparisons.get(name)
        if comparison is None:
            promoted = False
            reasons.append(f"{candidate} − {name} was not computed")
            continue
        low, high = comparison["low"], comparison["high"]
        passed = low > min_lower_bound
        promoted &= passed
        reasons.append(
            f"{candidate} − {name} = {comparison['estimate']:+.3f} [{low:+.3f}, {high:+.3f}]:"
            f" the lower bound is {'above' if passed else 'not above'} {min_lower_bound:g}"
        )
    return Decision(promoted, tuple(reasons))
