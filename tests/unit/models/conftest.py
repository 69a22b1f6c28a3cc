"""Models of a few thousand random weights, written once for all tests of a process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from folder_kit import save


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Callable[[str], Path]:
    """The directory of a model by its kind. Not to be changed."""
    place, made = tmp_path_factory.mktemp("saved"), {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = save(kind, place / kind)
        return made[kind]

    return of
