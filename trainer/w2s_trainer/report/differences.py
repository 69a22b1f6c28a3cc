"""How differences of a metric are told: in points, hundredths of it, or in its own unit. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s_api.metrics import METRICS


@dataclass(frozen=True)
class Differences:
    """Differences of one metric in words."""

    factor: float
    unit: str
    digits: int

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> "Differences":
        """Those of the declared metric of results.json."""
        metric = METRICS[results["evaluation"]["metric"]]
        return cls(100, " points", 1) if metric.in_points else cls(1, "", 3)

    def size(self, value: float) -> str:
        """A difference without its sign: .083 is 8.3 points."""
        return f"{abs(value) * self.factor:.{self.digits}f}{self.unit}"

    def signed(self, value: float) -> str:
        """A difference with its sign and without its unit."""
        return f"{value * self.factor:+.{self.digits}f}"

    def between(self, comparison: Mapping[str, Any], sign: int = 1) -> str:
        """Writes the interval of a difference, turned around for a loss."""
        low, high = sorted((sign * comparison["low"] * self.factor, sign * comparison["high"] * self.factor))
        return f"{low:.{self.digits}f} and {high:.{self.digits}f}{self.unit}"

    def from_to(self, comparison: Mapping[str, Any]) -> str:
        """Writes a difference that is not clear, with its interval."""
        mark = "; exploratory" if comparison["exploratory"] else ""
        return (
            f"{self.signed(comparison['estimate'])}{self.unit} (from {self.signed(comparison['low'])} to"
            f" {self.signed(comparison['high'])}{mark})"
        )


def with_minus(sentence: str) -> str:
    """A sentence in which negative figures have a minus sign and no hyphen; options of commands keep theirs."""
    return re.sub(r"(?<=[ (])-(?=[\d.])", "−", sentence)
