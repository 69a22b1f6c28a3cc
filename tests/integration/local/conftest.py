"""The local driver on stages that do nothing but end in every possible way."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from w2s_local_kit import Theatre

ROOT = Path(__file__).parents[3]


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    """Two labelers, one of them in two shards."""
    spec = yaml.safe_load((ROOT / "examples/copyleft.yaml").read_text())["spec"]
    rules = spec["weak"]["labelers"][0]["functions"]
    spec["weak"]["labelers"] = [
        {"name": "a", "type": "Functions", "functions": rules, "shards": 2},
        {"name": "b", "type": "Functions", "functions": rules},
    ]
    spec.pop("aggregation", None)
    stage = Theatre(tmp_path, spec)
    yield stage
    stage.release()
    if stage.driver is not None and stage.driver.poll() is None:
        stage.driver.kill()
        stage.driver.communicate()
