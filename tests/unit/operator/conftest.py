import copy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from operator_kit import Cluster

SPEC = {
    "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
    "data": {"unlabeled": {"uri": "s3://legal/heap.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
    "storage": {"uri": "s3://legal/w2s"},
    "weak": {
        "labelers": [
            {"name": "small", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
        ]
    },
    "strong": {"model": {"uri": "hf://org/strong"}},
}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(copy.deepcopy(SPEC))
