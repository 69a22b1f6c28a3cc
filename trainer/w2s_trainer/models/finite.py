"""Numbers that are none: weights, features and outputs of which one is NaN or infinite end the stage.

The error is one of the spec (exit code 64): the same model on the same texts gives them again, so that no retry
helps, and another model or other settings do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.folder import some


def check_finite_weights(model: Any, name: str) -> None:
    """Refuses a model with a weight that is no number.

    Args:
        model: of torch, loaded.
        name: what a person calls it.

    Raises:
        BadSpec: the weights are named.
    """
    import torch

    bad = [
        key
        for key, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if bad:
        raise BadSpec(
            "NonFiniteWeights",
            f"{name}: weights are NaN or infinite: {some(bad)}.",
            "Name a checkpoint from before its training diverged, or download the model again.",
        )


def check_finite(
    values: NDArray[np.floating], name: str, what: str, rows: NDArray[np.signedinteger] | None = None
) -> None:
    """Refuses outputs of a model for texts that are not finite numbers.

    Args:
        values: float[n, …], a row for each text.
        name: what a person calls the model.
        what: they are: `features`, `logits`.
        rows: places of the texts among all of them, int[n]; None: as they come.

    Raises:
        BadSpec: names the first such text by its number, from 1.
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if finite.all():
        return
    places = np.flatnonzero(~finite) if rows is None else rows[~finite]
    raise BadSpec(
        "NonFiniteOutputs",
        f"{name}: its {what} are NaN or infinite for {int((~finite).sum()):,} of {len(values):,} texts that it read"
        f" together, the first of them text {int(places.min()) + 1:,}.",
        "Its weights are too large for the numbers that it computes in: name another checkpoint of it.",
    )
