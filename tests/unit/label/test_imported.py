"""What comes with the rows is what the labeler says."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_kit import label_context

from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.errors import BadData
from w2s_trainer.stages.label.imported import distributions
from w2s_trainer.stages.label.methods import opinions_of
from w2s_trainer.stages.tables import EVERY_SEED, Examples

CLASSES = ("neg", "pos", "odd")


def opinion(tmp_path, imported: dict[str, Any], columns: dict[str, list], rows=None, classes=CLASSES):
    labeler = Labeler.model_validate({"name": "ann", "type": "Imported", "imported": imported})
    count = len(next(iter(columns.values())))
    ids = [f"row-{number}" for number in range(count)]
    pq.write_table(pa.table({"id": ids, **columns}), tmp_path / "imported.parquet")
    artifact = SimpleNamespace(stage="prepare", key="k", fetch=lambda name, _directory: tmp_path / name)
    spec = SimpleNamespace(
        task=Task(classes=[{"name": name} for name in classes]),
        weak=SimpleNamespace(labelers=[labeler]),
        evaluation=SimpleNamespace(positive_threshold="0.5"),
    )
    context = label_context(tmp_path, spec=spec, artifact=lambda _role: artifact)
    examples = Examples(ids, ["text"] * count, np.array(["pool"] * count), np.arange(count))
    rows = np.arange(count) if rows is None else rows
    return opinions_of(labeler)(context, labeler, examples, rows)[EVERY_SEED]


def test_votes(tmp_path):
    said = opinion(tmp_path, {"field": "a"}, {"vote:a": ["pos", None, "neg", "nan"]})
    assert said.abstain.tolist() == [False, True, False, True]
    assert said.scores[0].tolist() == [0, 1, 0]
    # (votes + .25) / (all votes + .25 K), as for rules
    assert said.targets[0] == pytest.approx([0.25 / 1.75, 1.25 / 1.75, 0.25 / 1.75])


def test_values_and_abstentions_that_the_manifest_names(tmp_path):
    settings = {
        "field": "a",
        "values": [{"value": "1.0", "className": "pos"}, {"value": "0", "className": "odd"}],
        "abstainOn": ["-1"],
    }
    said = opinion(tmp_path, settings, {"vote:a": ["1", "0", "-1", "neg"]})
    assert said.abstain.tolist() == [False, False, True, False]
    assert said.scores.argmax(axis=1)[[0, 1, 3]].tolist() == [1, 2, 0]


def test_a_shard_has_its_own_rows(tmp_path):
    said = opinion(tmp_path, {"field": "a"}, {"vote:a": ["pos", "neg", None]}, rows=np.array([1, 2]))
    assert said.scores.argmax(axis=1)[0] == 0
    assert said.abstain.tolist() == [False, True]


def test_probabilities_of_all_classes_but_one(tmp_path):
    fields = [{"className": "pos", "field": "p"}, {"className": "neg", "field": "q"}]
    columns = {"number:p": [0.5, float("nan"), 0.2], "number:q": [0.2, float("nan"), 0.8]}
    said = opinion(tmp_path, {"probabilities": fields}, columns)
    assert said.abstain.tolist() == [False, True, False]
    assert said.targets[0] == pytest.approx([0.2, 0.5, 0.3])
    assert said.targets[2] == pytest.approx([0.8, 0.2, 0.0])


@pytest.mark.parametrize("row", [(0.5, float("nan")), (0.7, 0.4)])
def test_what_is_no_distribution_is_refused_with_its_row(tmp_path, row):
    fields = [{"className": "pos", "field": "p"}, {"className": "neg", "field": "q"}]
    columns = {"number:p": [0.5, row[0]], "number:q": [0.5, row[1]]}
    with pytest.raises(BadData) as error:
        opinion(tmp_path, {"probabilities": fields}, columns)
    assert error.value.reason == "NoDistribution"
    assert (
        "spec.weak.labelers[0].imported.probabilities: in 1 rows (the first has the id row-1)"
        in error.value.message
    )


def test_sums_that_miss_one_by_a_rounded_digit_are_mended():
    given, silent = distributions(np.array([[0.3333, 0.6663], [0.3, 0.6]]), (0, 1), 2)
    assert given[0].sum() == pytest.approx(1)
    assert np.isnan(given[1]).all()
    assert not silent.any()
