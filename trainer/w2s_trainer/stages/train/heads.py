"""The heads of a `train` artifact: arrays of every arm and seed in one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_trainer.stages.tables import EVERY_SEED
from w2s_trainer.store.artifacts import Artifact

FILE = "heads.safetensors"

Heads = Mapping[str, NDArray[Any]]
"""Arrays by `<arm>.<seed>.<name>`."""


def named(arm: str, seed: int, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """The arrays of a head as they are kept."""
    return {
        f"{arm}.{seed}.{name}": np.ascontiguousarray(values, dtype=np.float32)
        for name, values in arrays.items()
    }


def write_heads(heads: Heads, directory: Path) -> None:
    """Writes all heads of an artifact."""
    save_file(dict(heads), directory / FILE)


def read_heads(artifact: Artifact, directory: Path) -> Heads:
    """The heads of an artifact, fetched into `directory`."""
    return load_file(artifact.fetch(FILE, directory / artifact.stage / artifact.key))


def arrays_of(heads: Heads, arm: str, seed: int) -> dict[str, NDArray[Any]]:
    """The arrays of an arm's head for a seed, or of the one for every seed.

    Raises:
        KeyError: there is none.
    """
    for prefix in (f"{arm}.{seed}.", f"{arm}.{EVERY_SEED}."):
        arrays = {
            name.removeprefix(prefix): values for name, values in heads.items() if name.startswith(prefix)
        }
        if arrays:
            return arrays
    raise KeyError(f"{arm}.{seed}")
