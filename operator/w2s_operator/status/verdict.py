"""What a condition says, before it is written with its time and generation."""

from dataclasses import dataclass

from w2s_api.status import ConditionStatus


@dataclass(frozen=True)
class Verdict:
    """Whether it is so, and why."""

    status: ConditionStatus
    reason: str
    message: str = ""
