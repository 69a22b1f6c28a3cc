"""When a status that differs is written: at once if somebody acts on it, else not too often. Pure."""

from typing import Any

from w2s_api.status import Status

BRIEF = 2.0
"""Seconds before it is written that a pod runs or does not start: many are over by then."""
PROGRESS = 15.0
"""Seconds from one write of progress to the next."""

_PROGRESS = frozenset({"progress", "observedTime"})
_BRIEF = _PROGRESS | {"started", "startTime", "message", "reason", "state", "stage"}
_STEADY = frozenset({"Done", "Reused", "Failed", "Retrying", "Suspended"})


def delay(before: Status, after: Status) -> float | None:
    """Seconds that a write may wait since the last one; None if there is nothing to write."""
    old, new = before.to_json(), after.to_json()
    if old == new:
        return None
    if _without(old, _BRIEF) != _without(new, _BRIEF):
        return 0.0
    return BRIEF if _without(old, _PROGRESS) != _without(new, _PROGRESS) else PROGRESS


def _without(plain: Any, names: frozenset[str]) -> Any:
    """What is left of a status without some fields; states that do not pass by themselves are kept."""
    if isinstance(plain, list):
        return [_without(one, names) for one in plain]
    if not isinstance(plain, dict):
        return plain
    kept = {name: _without(inner, names) for name, inner in plain.items() if name not in names}
    if plain.get("state") in _STEADY:
        kept["state"] = plain["state"]
    if plain.get("type") in ("Reconciling", "Complete", "Failed") and plain.get("status") != "False":
        kept.pop("message", None)
    return kept
