"""The record of corrected weak labels: what `Correction` did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2s_trainer.stages.select.changes import Change, write_changes
from w2s_trainer.stages.select.methods import Corrected
from w2s_trainer.stages.tables import CORRECTED, Examples, lists


def write_corrected(
    by_seed: Mapping[int, Sequence[Change[Corrected]]], examples: Examples, directory: Path
) -> None:
    """Writes the corrections of every seed into the directory of the artifact, if there are any."""
    write_changes(by_seed, examples, _columns, directory / CORRECTED)


def _columns(made: Sequence[Corrected]) -> Mapping[str, Any]:
    return {
        "before": [one.before for one in made],
        "after": [one.after for one in made],
        "probabilities": lists(np.stack([one.target for one in made])),
        "agreement": np.array([one.agreement for one in made], dtype=np.float32),
        "probability": np.array([one.probability for one in made], dtype=np.float32),
        "nearestGold": np.array([one.nearest_gold for one in made], dtype=np.float32),
    }
