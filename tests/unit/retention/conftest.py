import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("tuning", "models"))]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Models of a few thousand weights are computed many times as fast by one thread as by several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
