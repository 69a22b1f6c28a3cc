"""What a model has seen that was there before the job."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import Struct, union
from w2s_api.spec.data import Source


class TrainedOn(Struct):
    """What the weak model has seen; by default unknown. If it has seen the test, the gain looks smaller than it is."""

    rules = union(Unknown="", Elsewhere="", Data="data")

    type: Literal["Unknown", "Elsewhere", "Data"] = Field(
        description="Unknown: it may have seen the test, and the report says so. Elsewhere: it was made"
        " without any of these data. Data: it was trained on the rows of `data`; families that they share"
        " with the test leave the test.",
    )
    data: Annotated[list[Source], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="The rows that it was trained on.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
