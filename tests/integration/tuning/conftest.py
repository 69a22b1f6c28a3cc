import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "tuning"))
sys.path.insert(0, str(Path(__file__).parent))

from adapting_kit import examples, models, new_place
from tiny_kit import save_tiny

__all__ = ["examples", "models", "new_place"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Directories of tiny models with random weights, by kind."""
    root = tmp_path_factory.mktemp("tiny")
    return {kind: save_tiny(kind, root / kind) for kind in ("bert", "llama")}


@pytest.fixture(autouse=True)
def one_thread():
    """Models of a few thousand weights are computed many times as fast by one thread as by several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
