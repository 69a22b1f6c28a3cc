"""A seed's budget: what was drawn, which is a sample, and after it what experts were asked about, which is none."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.stages.label.opinion import drawn_budget, teaching_budget
from w2s_trainer.stages.tables import ASKED, Examples

N = 40
ASKED_ROWS = [3, 11, 12]


@pytest.fixture
def context(tmp_path):
    """Of 40 texts that are all of the budget; three of them were asked about."""

    def make(asked: list[int], size: int | None):
        pq.write_table(pa.table({"id": [f"t{row}" for row in asked]}), tmp_path / ASKED)
        artifact = SimpleNamespace(
            stage="prepare",
            key="k",
            files={ASKED: None} if asked else {},
            fetch=lambda name, _directory: tmp_path / name,
        )
        spec = SimpleNamespace(
            data=SimpleNamespace(gold_budget=size),
            evaluation=SimpleNamespace(positive_threshold="0.5"),
            task=Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}]}),
        )
        return SimpleNamespace(artifact=lambda _role: artifact, scratch=tmp_path, spec=spec)

    return make


EXAMPLES = Examples(
    [f"t{row}" for row in range(N)], ["text"] * N, np.array(["budget"] * N), np.arange(N, dtype=np.int64)
)
GOLD = np.arange(N, dtype=np.int64) % 2


@pytest.mark.parametrize("size", [8, None])
@pytest.mark.parametrize("seed", [0, 1])
def test_asked_rows_come_after_those_that_are_drawn_and_change_none_of_them(context, size, seed):
    place = context(ASKED_ROWS, size)
    drawn = drawn_budget(place, EXAMPLES, GOLD, seed)
    teaching = teaching_budget(place, EXAMPLES, GOLD, seed)
    assert len(drawn) == (size or N - len(ASKED_ROWS))
    assert teaching[: len(drawn)].tolist() == drawn.tolist()
    assert sorted(teaching[len(drawn) :].tolist()) == ASKED_ROWS
    # Without them the draw is the same, but for rows that were then drawn in their place.
    without = drawn_budget(context([], None), EXAMPLES, GOLD, seed)
    assert [row for row in without if row not in ASKED_ROWS][: len(drawn)] == drawn.tolist()


def test_nobody_was_asked(context):
    place = context([], 8)
    assert (
        teaching_budget(place, EXAMPLES, GOLD, 0).tolist() == drawn_budget(place, EXAMPLES, GOLD, 0).tolist()
    )
