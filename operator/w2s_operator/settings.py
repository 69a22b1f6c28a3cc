"""Settings of the operator, from its environment. The chart writes them."""

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from w2s_operator.children.settings import Defaults
from w2s_operator.planning.view import LOST_AFTER

LOG_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@dataclass(frozen=True)
class OperatorSettings:
    """How this operator runs."""

    trainer_image: str
    """Image of stage pods whose manifest names none."""
    namespaces: tuple[str, ...] = ()
    """Namespaces whose jobs it runs; empty: all."""
    requests_per_second: float = 100.0
    burst: int = 200
    workers: int = 16
    """Jobs that are looked at at the same time."""
    port: int = 8080
    """Port of /healthz, /readyz and /metrics."""
    host: str = "0.0.0.0"
    lost_after: float = LOST_AFTER
    """Seconds past its grace period after which a pod that is still there is on a lost node."""
    user: int | None = Defaults.user
    """User and group of stage pods; None leaves them to the namespace."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of the Secrets of stage pods whose manifest names none."""
    log_level: int = logging.INFO
    """The least level that is logged."""

    @property
    def defaults(self) -> Defaults:
        """What stage pods get where their manifest says nothing."""
        return Defaults(self.trainer_image, user=self.user, image_pull_secrets=self.image_pull_secrets)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads W2S_TRAINER_IMAGE, W2S_NAMESPACES (commas), W2S_QPS, W2S_BURST, W2S_WORKERS, W2S_PORT,
        W2S_HOST, W2S_LOST_AFTER, W2S_USER, W2S_IMAGE_PULL_SECRETS (commas), W2S_LOG_LEVEL. What is empty is not
        set, except W2S_USER: empty, it leaves the choice to the namespace.

        Raises:
            ValueError: one is missing or not what it can be; the message names it.
        """
        given = {
            name.removeprefix("W2S_"): text for name, text in environment.items() if name.startswith("W2S_")
        }
        if not given.get("TRAINER_IMAGE"):
            raise ValueError("W2S_TRAINER_IMAGE is not set: the image that stage pods run.")

        def number(name: str, default: float, least: float) -> float:
            text = given.get(name, "")
            try:
                value = float(text) if text else default
            except ValueError:
                value = math.nan
            if not least <= value < math.inf:
                raise ValueError(f"W2S_{name} is {text!r}: a number of at least {least:g} is needed.")
            return value

        def names(name: str) -> tuple[str, ...]:
            parts = (part.strip() for part in given.get(name, "").split(","))
            return tuple(dict.fromkeys(part for part in parts if part))

        return cls(
            trainer_image=given["TRAINER_IMAGE"],
            namespaces=names("NAMESPACES"),
            requests_per_second=number("QPS", cls.requests_per_second, 0.1),
            burst=int(number("BURST", cls.burst, 1)),
            workers=int(number("WORKERS", cls.workers, 1)),
            port=int(number("PORT", cls.port, 0)),
            host=given.get("HOST") or cls.host,
            lost_after=number("LOST_AFTER", cls.lost_after, 0),
            user=_user(given.get("USER", str(cls.user))),
            image_pull_secrets=names("IMAGE_PULL_SECRETS"),
            log_level=_level(given.get("LOG_LEVEL") or "info"),
        )


def _user(text: str) -> int | None:
    if not text.strip():
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise ValueError(
            f"W2S_USER is {text!r}: the number of a user other than root is needed, or nothing for that of the"
            " namespace."
        )
    return int(text)


def _level(text: str) -> int:
    if text not in LOG_LEVELS:
        raise ValueError(f"W2S_LOG_LEVEL is {text!r}: one of {', '.join(LOG_LEVELS)} is needed.")
    return LOG_LEVELS[text]
