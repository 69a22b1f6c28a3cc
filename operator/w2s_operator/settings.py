"""Settings of the operator, from its environment. The chart writes them."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from w2s_operator.planning.deadlines import LOST_AFTER


@dataclass(frozen=True)
class OperatorSettings:
    """How this operator runs."""

    trainer_image: str
    """Image of stage pods whose manifest names none."""
    namespaces: tuple[str, ...] = ()
    """Those whose jobs it runs; empty: all."""
    requests_per_second: float = 100.0
    burst: int = 200
    workers: int = 16
    """Jobs that are looked at at the same time."""
    port: int = 8080
    """Of /healthz, /readyz and /metrics."""
    host: str = "0.0.0.0"
    lost_after: float = LOST_AFTER
    """Seconds past its grace period after which a pod that is still there is on a lost node."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads W2S_TRAINER_IMAGE, W2S_NAMESPACES (commas), W2S_QPS, W2S_BURST, W2S_WORKERS, W2S_PORT,
        W2S_HOST, W2S_LOST_AFTER.

        Raises:
            ValueError: one is missing or no number; the message names it.
        """
        given = {name.removeprefix("W2S_"): value for name, value in environment.items()}
        if not given.get("TRAINER_IMAGE"):
            raise ValueError("W2S_TRAINER_IMAGE is not set: the image that stage pods run.")

        def number(name: str, default: float, least: float) -> float:
            told = given.get(name, "")
            try:
                found = float(told) if told else default
            except ValueError:
                found = math.nan
            if not least <= found < math.inf:
                raise ValueError(f"W2S_{name} is {told!r}: a number of at least {least:g} is needed.")
            return found

        return cls(
            trainer_image=given["TRAINER_IMAGE"],
            namespaces=tuple(name.strip() for name in given.get("NAMESPACES", "").split(",") if name.strip()),
            requests_per_second=number("QPS", cls.requests_per_second, 0.1),
            burst=int(number("BURST", cls.burst, 1)),
            workers=int(number("WORKERS", cls.workers, 1)),
            port=int(number("PORT", cls.port, 0)),
            host=given.get("HOST") or cls.host,
            lost_after=number("LOST_AFTER", cls.lost_after, 0),
        )
