"""When a status that differs is written: at once if anything depends on it, else not too often. Pure.

A run of seconds costs two writes, its Job and the status that says what came of it. That it was seen to start is
written only if it lasts.
"""

from typing import Any

from w2s_api.status import Status

PROBLEM_DELAY = 3.0
"""Seconds since the last write after which a problem of a run that starts is written: most of them pass."""
STATE_DELAY = 10.0
"""Seconds after which the state of a run is written."""
PROGRESS_DELAY = 15.0
"""Seconds after which progress is written."""
SEEN_DELAY = 60.0
"""Seconds after which it is written that a Job was seen which does nothing yet: a full cluster takes its time."""

_PROGRESS = frozenset({"progress", "observedTime", "started", "startTime"})
_SEEN = frozenset({"started"})
_PASSING = _PROGRESS | {"stage", "state", "reason", "message"}
_STEADY = frozenset({"Done", "Reused", "Failed", "Retrying", "Suspended"})


def write_delay(before: Status, after: Status) -> float | None:
    """Seconds that must have passed since the last write; None if there is nothing to write."""
    old, new = before.to_json(), after.to_json()
    if old == new:
        return None
    if _lasting(old) != _lasting(new):
        return 0.0
    if _problems(before) != _problems(after):
        return PROBLEM_DELAY
    if _without(old, _PROGRESS) != _without(new, _PROGRESS):
        return STATE_DELAY
    return PROGRESS_DELAY if _without(old, _SEEN) != _without(new, _SEEN) else SEEN_DELAY


def _lasting(status: dict[str, Any]) -> dict[str, Any]:
    """What does not pass by itself."""
    kept: dict[str, Any] = _without(status, _PASSING)
    kept["steady"] = [
        (stage["name"], stage["state"], stage.get("reason"))
        for stage in status.get("stages", ())
        if stage["state"] in _STEADY
    ]
    kept["lasting conditions"] = [
        (known["type"], known["reason"], known.get("message"))
        for known in status.get("conditions", ())
        if known["type"] not in ("Complete", "Failed", "Reconciling")
        or known["status"] == _END.get(known["type"])
    ]
    return kept


_END = {"Complete": "False", "Failed": "True"}


def _problems(status: Status) -> list[tuple[str, str | None]]:
    return [(stage.name, stage.reason) for stage in status.stages]


def _without(plain: Any, names: frozenset[str]) -> Any:
    if isinstance(plain, list):
        return [_without(item, names) for item in plain]
    if isinstance(plain, dict):
        return {name: _without(inner, names) for name, inner in plain.items() if name not in names}
    return plain
