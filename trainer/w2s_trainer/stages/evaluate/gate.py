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
    """One sentence for each arm it was held against, and one of what was forgotten where that is limited."""

    def to_json(self) -> dict[str, Any]:
        """The `decision` part of results.json."""
        return {"promoted": self.promoted, "reasons": list(self.reasons)}


def apply_gate(
    evaluation: Mapping[str, Any],
    must_beat: Sequence[str],
    min_lower_bound: float,
    retention: Mapping[str, Any] | None = None,
    max_forgetting: float | None = None,
) -> Decision:
    """Holds the comparisons of the declared metric, and what was forgotten, against the gate.

    Args:
        evaluation: the `evaluation` part of results.json.
        must_beat: arms to beat, as the manifest writes them (`Weak`); one that was not computed is not beaten.
        min_lower_bound: what each lower bound of the 95 % interval must exceed.
        retention: the `retention` part of results.json.
        max_forgetting: what the upper bound of the share by which the loss on general texts rose must not exceed; None: it
            refuses nothing.
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
    if max_forgetting is not None:
        kept, reason = _kept(retention, max_forgetting)
        promoted &= kept
        reasons.append(reason)
    return Decision(promoted, tuple(reasons))


def _kept(retention: Mapping[str, Any] | None, most: float) -> tuple[bool, str]:
    """Whether it is shown that no more was forgotten, and the sentence that says so."""
    if retention is None:
        return False, "forgetting was not measured"
    forgetting = retention.get("forgetting")
    if forgetting is None:
        return True, "nothing to forget: its weights are those of the strong model as it came"
    low, high = forgetting["low"], forgetting["high"]
    kept = high <= most
    return kept, (
        f"forgetting = {forgetting['estimate']:+.3f} [{low:+.3f}, {high:+.3f}]:"
        f" the upper bound is {'not above' if kept else 'above'} {most:g}"
    )
