"""What every aggregation says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method


class AggregationSettings(Method):
    """Settings of an aggregation."""

    by_text: ClassVar[bool] = False
    """The label of a text depends on nothing but what is said of that text: then it can be published."""
