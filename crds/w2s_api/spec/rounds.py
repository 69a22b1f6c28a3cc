"""Rounds of self-training: the combination teaches a student of the next round."""

from typing import Annotated

from pydantic import Field

from w2s_api.arms import MOST_ROUNDS
from w2s_api.spec.base import Struct


class Rounds(Struct):
    """Rounds of self-training, in which the combination of one round labels the whole pool for the student of the next."""

    max: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = Field(
        default=1,
        description="How many rounds there are. The first is the job without self-training. In each further one the combination"
        " of teacher and students labels every text of the pool, and a new student learns these labels. A round is accepted"
        " only while it lowers the log loss on the gold budget, out of fold by family and at the best temperature; without a"
        " budget all are. What each adds is told by the arms `round-2`, `round-3`, …; `promotion.candidate: SelfTrained`"
        " publishes the student of the last accepted one. For tasks of type Classification whose `strong.tuning.type` is Head."
        " Default: no self-training.",
    )
