"""Last words: what a driver learns from a stage process beside its exit code."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from w2s_api.artifact_list import pack, unpack
from w2s_trainer.json_text import strict_json

LIMIT = 4000
"""Bytes; of a longer termination message than 4,096 Kubernetes keeps a part, which is no JSON."""


@dataclass(frozen=True)
class LastWords:
    """How a stage process ended, for the driver and for the person who reads the status."""

    outcome: Literal["Done", "Reused", "Failed", "Stopped"]
    reason: str = ""
    message: str = ""
    artifact: str | None = None
    """The content key of the stage's artifact."""
    figures: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    """From `prepare`: content keys of the artifacts of the plan that are complete, by stage name."""

    def encode(self) -> bytes:
        """JSON of at most LIMIT bytes: artifacts are packed, the message is cut, then the figures are left out."""
        plain: dict[str, Any] = {
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "artifact": self.artifact,
            "figures": self.figures,
            "artifacts": self.artifacts,
        }
        data = _json(plain)
        if len(data) > LIMIT and self.artifacts:
            plain["artifacts"] = pack(self.artifacts)
            data = _json(plain)
        if len(data) > LIMIT:
            room = max(0, len(self.message.encode()) - (len(data) - LIMIT) - len("…".encode()))
            plain["message"] = self.message.encode()[:room].decode(errors="ignore") + "…"
            data = _json(plain)
        if len(data) > LIMIT:
            plain["figures"] = {}
            data = _json(plain)
        if len(data) > LIMIT:
            plain["artifacts"] = {}
            data = _json(plain)
        return data

    def write(self, path: Path) -> None:
        """Writes them, whole or not at all."""
        partial = path.with_name(path.name + ".partial")
        try:
            partial.write_bytes(self.encode())
            partial.replace(path)
        except OSError:
            path.write_bytes(self.encode())  # a mounted /dev/termination-log cannot be replaced


def read_last_words(path: Path) -> LastWords | None:
    """What a process left, or None if it left nothing readable (killed)."""
    try:
        plain = json.loads(path.read_bytes())
        return LastWords(**{**plain, "artifacts": unpack(plain.get("artifacts", {}))})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _json(plain: dict[str, Any]) -> bytes:
    return strict_json(plain, compact=True).encode()
