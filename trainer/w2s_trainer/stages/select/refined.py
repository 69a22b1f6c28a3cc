"""The record of edited weak labels: what `Refinement` did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2s_trainer.stages.select.changes import Change, write_changes
from w2s_trainer.stages.select.methods import Edited
from w2s_trainer.stages.tables import REFINED, Examples


def write_refined(
    by_seed: Mapping[int, Sequence[Change[Edited]]], examples: Examples, directory: Path
) -> None:
    """Writes the edits of every seed into the directory of the artifact, if there are any."""
    write_changes(by_seed, examples, _columns, directory / REFINED)


def _columns(made: Sequence[Edited]) -> Mapping[str, Any]:
    return {
        "edit": np.array([one.edit for one in made], dtype=np.int32),
        "operation": [one.operation for one in made],
        "before": [one.before for one in made],
        "after": [one.after for one in made],
    }
