"""What an OpenAI-compatible API answers, as far as it matters here. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Token:
    """A token of an answer, and what could have stood in its place."""

    text: str
    logprob: float
    """Natural logarithm."""
    likeliest: Mapping[str, float]
    """Log-probabilities of the likeliest tokens at its place; the token itself may be one of them."""


@dataclass(frozen=True)
class Choice:
    """One of the answers to a request."""

    text: str
    finish: str = "stop"
    """Why it ended: `stop`, `length`, `content_filter`."""
    refused: bool = False
    tokens: tuple[Token, ...] = ()
    """Empty where the endpoint gives no probabilities."""


@dataclass(frozen=True)
class Reply:
    """The answer to one request."""

    choices: tuple[Choice, ...]
    tokens_in: int | None = None
    """Tokens of the prompt, as the endpoint counts them; None where it does not."""
    tokens_out: int | None = None


def reply_of(plain: Any) -> Reply:
    """Reads the body of a chat completion.

    Raises:
        ValueError: it is none.
    """
    choices = plain.get("choices") if isinstance(plain, Mapping) else None
    if not isinstance(choices, Sequence) or not all(isinstance(choice, Mapping) for choice in choices):
        raise ValueError("no chat completion: it has no `choices`")
    usage = plain.get("usage")
    counted = usage if isinstance(usage, Mapping) else {}
    return Reply(
        tuple(_choice(choice) for choice in choices),
        _count(counted.get("prompt_tokens")),
        _count(counted.get("completion_tokens")),
    )


def _choice(plain: Mapping[str, Any]) -> Choice:
    message = plain.get("message")
    message = message if isinstance(message, Mapping) else {}
    text, finish = message.get("content"), plain.get("finish_reason")
    return Choice(
        text if isinstance(text, str) else "",
        finish if isinstance(finish, str) else "stop",
        bool(message.get("refusal")) or finish == "content_filter",
        _tokens(plain.get("logprobs")),
    )


def _tokens(plain: Any) -> tuple[Token, ...]:
    """No token where one of them cannot be read: a gap would put all that follow in the wrong place."""
    content = plain.get("content") if isinstance(plain, Mapping) else None
    try:
        return tuple(
            Token(
                str(one["token"]),
                float(one["logprob"]),
                {str(top["token"]): float(top["logprob"]) for top in one.get("top_logprobs") or ()},
            )
            for one in content or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
