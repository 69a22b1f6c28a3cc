"""A status that would be too large says less: first of what is over, then of what stands elsewhere too. Pure."""

import json
from collections.abc import Callable

from w2s_api.status import FINISHED, StageStatus, Status

MOST = 15_000
"""Bytes of a status: with what else is in it, an object's status stays below 16 KiB."""
_PLAIN_STAGE, _PLAIN_REST = 320, 3000
"""Bytes that a stage and the rest have at most, beside their messages."""
_WIDE = 4
"""Bytes of a character at most."""


def fit(status: Status) -> Status:
    """The same status, or less of it. What the planner needs in the next pass is never left out."""
    messages = sum(len(stage.message or "") + len(stage.last_end or "") for stage in status.stages)
    messages += sum(len(known.message) for known in status.conditions)
    if _WIDE * messages + _PLAIN_STAGE * len(status.stages) + _PLAIN_REST <= MOST:
        return status  # the common case, without writing it down
    for shorter in _STEPS:
        if _size(status) <= MOST:
            break
        status = shorter(status)
    return status


def _size(status: Status) -> int:
    return len(json.dumps(status.to_json(), ensure_ascii=False, separators=(",", ":")).encode())


def _stages(change: Callable[[StageStatus], dict[str, object]]) -> Callable[[Status], Status]:
    def shorter(status: Status) -> Status:
        stages = [stage.model_copy(update=change(stage)) for stage in status.stages]
        return status.model_copy(update={"stages": stages})

    return shorter


def _messages(most: int) -> Callable[[Status], Status]:
    """Shortens the messages of stages, but for the one that the status is about."""

    def shorter(status: Status) -> Status:
        return _stages(
            lambda stage: (
                {} if stage.name == status.stage else {"message": _cut(stage.message, most), "last_end": None}
            )
        )(status)

    return shorter


def _conditions(most: int) -> Callable[[Status], Status]:
    def shorter(status: Status) -> Status:
        conditions = [
            known.model_copy(update={"message": known.message[:most]}) for known in status.conditions
        ]
        return status.model_copy(update={"conditions": conditions})

    return shorter


def _cut(text: str | None, most: int) -> str | None:
    return text[:most] or None if text else None


_STEPS: tuple[Callable[[Status], Status], ...] = (
    _messages(200),
    _messages(0),
    _stages(lambda stage: {"start_time": None, "completion_time": None} if stage.state in FINISHED else {}),
    _stages(lambda stage: {"started": None, "ended": None} if stage.state in FINISHED else {}),
    _stages(lambda stage: {"started": None} if stage.ended else {}),
    _conditions(256),
    _stages(lambda _: {"progress": None, "start_time": None, "completion_time": None}),
    _stages(lambda stage: {"reason": None} if stage.state != "Failed" else {}),
    _stages(lambda stage: {"failures": None, "disruptions": None} if stage.state in FINISHED else {}),
    _stages(lambda stage: {"message": _cut(stage.message, 256), "last_end": None}),
    _conditions(64),
)
