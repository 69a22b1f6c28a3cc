"""What every aggregation says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method


class AggregationSettings(Method):
    """Settings of an aggregation."""

    least_labelers: ClassVar[int] = 1
    """With fewer it has no answer, or more than one."""
    reads_features: ClassVar[bool] = False
    """It needs the features of the frozen strong model: only then are they computed for it."""
    asks_question: ClassVar[bool] = False
    """It asks a model about the task, so that its result depends on how the task is put."""
    by_text: ClassVar[bool] = False
    """The label of a text depends on nothing but what is said of that text: then it can be published."""
