import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from memory_objects import MemoryObjects


@pytest.fixture
def memory() -> MemoryObjects:
    return MemoryObjects()
