"""Precision and threads that a stage computes with: agreed on in the store before its first step.

Sums in other digits, or of other parts, end in other weights. Which precision is faster is measured, and a
measurement can come out otherwise on a busy machine or another one. So what the first process found holds for
whoever goes on with the stage, or computes another shard of it.
"""

import json
from dataclasses import asdict, dataclass

from w2s_trainer.store.checkpoints import checkpoints_uri
from w2s_trainer.store.objects import AlreadyExists, Objects
from w2s_trainer.tuning.precision import Precision


@dataclass(frozen=True)
class NumericSettings:
    """What results depend on in their last digits."""

    precision: Precision
    threads: int


def agree_on_numerics(objects: Objects, home_uri: str, proposed: NumericSettings) -> NumericSettings:
    """Returns the settings of a stage: those that the first process wrote down, else the proposed ones.

    Args:
        objects: the store.
        home_uri: of the stage's artifact.
        proposed: what this process would take.
    """
    place = f"{checkpoints_uri(home_uri)}numbers.json"
    try:
        objects.write(place, json.dumps(asdict(proposed)).encode(), if_absent=True)
    except AlreadyExists:
        return NumericSettings(**json.loads(objects.read(place)))
    return proposed
