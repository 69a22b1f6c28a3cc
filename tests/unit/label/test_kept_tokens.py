"""Token probabilities of a labeler that writes: kept beside its texts, and read again by row and seed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.models.layouts import LayoutOfEach
from w2s_trainer.models.top_tokens import top_tokens_of, vocabulary_digest
from w2s_trainer.stages.label.saved_answers import collect_unsaved
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.label.texts.top_tokens import collect_top_tokens, read_top_tokens
from w2s_trainer.stages.tables import Examples, column_of, write_table

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from writing_kit import tiny_layout, tiny_model

TEXTS = ["w1 w2", "w3", "w4 w5 w6", "w7"]
SAID = np.array(["", "w10 w11", "w12", ""], dtype=object)


class Labels:
    """A `label` artifact that lies in a directory."""

    stage, key = "label", "k"
    files = ("labels.parquet",)

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fetch(self, name, _directory):
        return self._directory / name


def test_what_abstains_keeps_nothing_and_the_rest_is_read_again_as_it_was(tmp_path):
    model = tiny_model()
    layout = tiny_layout(model)
    columns, figures = collect_top_tokens(
        collect_unsaved, "seed-1", model, layout, TEXTS, SAID, 3, 64, lambda _done, _total: None
    )
    assert [len(tokens) for tokens in columns["tokens"]][::3] == [0, 0]
    assert figures["topK"] == 3
    assert figures["places"] == sum(map(len, columns["tokens"]))
    assert figures["vocabulary"] == vocabulary_digest(model.tokenizer)
    assert 0 < figures["restMass"] < 1
    examples = Examples([f"id-{n}" for n in range(4)], TEXTS, np.array(["pool"] * 4), np.arange(4))
    write_table(
        {
            "id": [f"id-{n}" for n in (3, 2, 1, 0)],
            "seed": np.ones(4, dtype=np.int32),
            **{name: column_of(np.ascontiguousarray(column[::-1])) for name, column in columns.items()},
        },
        tmp_path / "labels.parquet",
    )
    found = read_top_tokens(Labels(tmp_path), examples, tmp_path, 1)
    assert read_top_tokens(Labels(tmp_path), examples, tmp_path, 0) == {}
    assert sorted(found) == [1, 2]
    for rows, tops in top_tokens_of(model, layout, TEXTS[1:3], SAID[1:3].tolist(), 3, 64, np.arange(2)):
        for row, top in zip(rows.tolist(), tops, strict=True):
            for name in ("tokens", "ids", "log_probabilities", "log_rest"):
                assert np.array_equal(getattr(found[row + 1], name), getattr(top, name)), name


def test_the_rest_of_shards_is_that_of_all_their_places():
    shards = [
        {"rows": 1, "softTargets": {"0": {"topK": 2, "vocabulary": "v", "places": places, "restMass": rest}}}
        for places, rest in ((3, 0.1), (1, 0.5), (0, None))
    ]
    joined = whole_summary({"shards": shards})["softTargets"]["0"]
    assert joined == {"topK": 2, "vocabulary": "v", "places": 4, "restMass": 0.2}


def test_of_prompts_with_shots_of_their_own_each_is_read_in_its_own():
    model = tiny_model()
    shots = [[("w20", "w21")], [("w22 w23", "w24")], [("w25", "w26")], [("w27", "w28")]]
    layouts = [layout_of(model.tokenizer, "w1 w2", shown, FREE_TEXT) for shown in shots]

    def kept(layout, texts, said):
        return collect_top_tokens(
            collect_unsaved, "seed-1", model, layout, texts, said, 3, 64, lambda _done, _total: None
        )[0]

    together = kept(LayoutOfEach(layouts.__getitem__, np.arange(4)), TEXTS, SAID)
    for row in (1, 2):
        alone = kept(layouts[row], TEXTS[row : row + 1], SAID[row : row + 1])
        for name, column in alone.items():
            assert together[name][row] == pytest.approx(column[0], abs=1e-4), name
