"""What an error of the endpoint means: ask again, ask otherwise, give up this text, or give up. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from w2s_api.methods.labelers.endpoint import KEY_VARIABLES, Endpoint
from w2s_trainer.errors import BadSpec, EndpointDenied, StageError

Meaning = Literal["again", "tooLong", "refused", "unsupported", "final"]

_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|maximum.{0,20}context|too many tokens|prompt is too long", re.I
)
_FILTERED = re.compile(r"content.?(?:filter|policy)|content_policy_violation", re.I)
_TRANSIENT = {408, 409, 425, 429, 498, 499}
_LONGEST = 200
_QUOTED, _SHORT = 24, 6
"""Characters in a row that are also in what was sent, and those of a whole line: then a message is not repeated."""


@dataclass(frozen=True)
class Fault:
    """An answer that is none."""

    status: int
    code: str = ""
    parameter: str = ""
    message: str = ""

    @classmethod
    def of(cls, status: int, body: Any) -> "Fault":
        """Reads the body of an error: `error` as an object, as OpenAI has it, or anything else."""
        inner = body.get("error", body) if isinstance(body, Mapping) else body
        if not isinstance(inner, Mapping):
            return cls(status, message=str(inner or ""))
        code, parameter = inner.get("code") or inner.get("type") or "", inner.get("param") or ""
        return cls(status, str(code), str(parameter), str(inner.get("message") or inner.get("detail") or ""))

    @property
    def says(self) -> str:
        """All its words."""
        return f"{self.code} {self.parameter} {self.message}"

    def meaning(self, optional: Mapping[str, Any]) -> Meaning:
        """What to do.

        Args:
            optional: parameters that were sent and that can be done without or in another way.
        """
        if self.status == 429 and self.code == "insufficient_quota":
            return "final"
        if self.status in _TRANSIENT or self.status >= 500:
            return "again"
        if self.status in (400, 413, 422):
            if self.status == 413 or _TOO_LONG.search(self.says):
                return "tooLong"
            if _FILTERED.search(self.says):
                return "refused"
            if any(name in self.says for name in optional):
                return "unsupported"
        return "final"

    def error(self, settings: Endpoint, path: str, sent: str, key: str | None) -> StageError:
        """The error for a person, in one line, without the API key and without a text.

        Args:
            settings: of the labeler.
            path: of them in the manifest.
            sent: the messages that were sent.
            key: the API key.
        """
        if self.status in (401, 403):
            reference = settings.api_key_secret_ref
            where = (
                f"the key {reference.key!r} of the Secret {reference.name!r} ({path}.apiKeySecretRef)"
                if reference
                else f"{path}.apiKeySecretRef, or with `w2s run` the variable {KEY_VARIABLES[0]}"
            )
            given = "does not accept the API key" if key else "wants an API key, and none was given"
            return EndpointDenied(
                "EndpointDenied", f"{settings.url} {given} ({self.status}).", f"Correct {where}."
            )
        if self.status == 404:
            return BadSpec(
                "NoSuchEndpointModel",
                f"{path}: {settings.url} has no model {settings.model!r}, or is no OpenAI-compatible API (404).",
                "Correct `model` or `url`, which ends before /chat/completions.",
            )
        return BadSpec(
            "EndpointRefused",
            f"{path}: {settings.url} refuses the request ({self.status}){self._quoted(sent, key)}.",
            "Correct the settings, or look into the endpoint's log.",
        )

    def _quoted(self, sent: str, key: str | None) -> str:
        said = " ".join(f"{self.code} {self.message}".split())[:_LONGEST].rstrip(" .")
        if not said or (key and key in said) or _shares(said, sent):
            return f": {self.code[:40]}" if re.fullmatch(r"\w+", self.code) and self.code != key else ""
        return f": {said}"


def _shares(said: str, sent: str) -> bool:
    """Whether a whole line of what was sent is in a message, or a piece of it."""
    said = said.replace("\\n", " ").replace('\\"', '"')
    flat = " ".join(sent.split())
    lines = (" ".join(line.split()) for line in sent.splitlines())
    pieces = (said[at : at + _QUOTED] for at in range(len(said) - _QUOTED + 1))
    return any(len(line) >= _SHORT and line in said for line in lines) or any(
        piece in flat for piece in pieces
    )
