"""Settings of the operator, from its environment. The chart writes them."""

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
    version: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads W2S_TRAINER_IMAGE, W2S_NAMESPACES (commas), W2S_QPS, W2S_BURST, W2S_WORKERS, W2S_PORT,
        W2S_HOST, W2S_LOST_AFTER.

        Raises:
            ValueError: one is missing or no number.
        """
        given = {name.removeprefix("W2S_"): value for name, value in environment.items()}
        if not given.get("TRAINER_IMAGE"):
            raise ValueError("W2S_TRAINER_IMAGE is not set: the image that stage pods run.")
        return cls(
            trainer_image=given["TRAINER_IMAGE"],
            namespaces=tuple(name.strip() for name in given.get("NAMESPACES", "").split(",") if name.strip()),
            requests_per_second=float(given.get("QPS", cls.requests_per_second)),
            burst=int(given.get("BURST", cls.burst)),
            workers=int(given.get("WORKERS", cls.workers)),
            port=int(given.get("PORT", cls.port)),
            host=given.get("HOST", cls.host),
            lost_after=float(given.get("LOST_AFTER", cls.lost_after)),
        )
