import copy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from operator_kit import SPEC, Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(copy.deepcopy(SPEC))
