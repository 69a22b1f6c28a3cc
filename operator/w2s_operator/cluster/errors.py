"""What an API server may answer instead of what was asked for."""

import re
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API server refused, or does not answer."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds that the server asks to be left alone for."""


class NotFound(ApiError):
    """There is no such object, or no such kind."""


class Conflict(ApiError):
    """The object has changed since it was read."""


class AlreadyExists(ApiError):
    """There is an object of that name."""


class NameTaken(ApiError):
    """There is an object of that name, and it is not the one that was to be made."""


class Gone(ApiError):
    """A watch or a page is too old to be continued."""


class Forbidden(ApiError):
    """The operator's rights do not allow it."""


class Invalid(ApiError):
    """The object breaks a rule of the server; the same object will break it again."""


class TooLarge(ApiError):
    """The object is too large; the same object will be too large again."""


class Unreachable(ApiError):
    """The server does not answer, or has trouble of its own: try again later."""


LONGEST_RETRY_AFTER = 300.0
"""Seconds that a server is left alone for at its own wish, at most."""


def error_of(code: int, body: Mapping[str, Any], retry_after: str | None = None) -> ApiError:
    """The error that a `Status` object says.

    Args:
        code: of HTTP.
        body: the object; empty if the answer was none.
        retry_after: the header of that name, which comes without an object when requests are too many.
    """
    reason, message = _word(body.get("reason")), str(body.get("message", ""))[:2048]
    details = body.get("details")
    after = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
    return _kind(code, reason, message)(code, reason, message, _seconds(after) or _seconds(retry_after))


def _word(value: Any) -> str:
    """A reason. A webhook may say a whole sentence there, which is none."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w{0,63}", value, re.ASCII) else ""


def _seconds(value: Any) -> float | None:
    try:
        return min(LONGEST_RETRY_AFTER, max(0.0, float(value)))
    except (TypeError, ValueError):
        return None  # none, or a date: our own back-off will do


def _kind(code: int, reason: str, message: str) -> type[ApiError]:
    if code == 409:
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if code == 413 or "request is too large" in message or "larger than max" in message:
        return TooLarge
    if code == 429 or code >= 500:
        return Unreachable
    kinds: dict[int, type[ApiError]] = {403: Forbidden, 404: NotFound, 410: Gone, 400: Invalid, 422: Invalid}
    return kinds.get(code, ApiError)
