"""What every aggregation says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method


class AggregationSettings(Method):
    """Settings of an aggregation."""

    least_labelers: ClassVar[int] = 1
    """With fewer it has no answer, or more than one."""
