"""A model reference is resolved in one place, whether the model was there before or a stage of the job makes it."""

from types import SimpleNamespace

import pytest

from w2s_api.pipeline import Builder, pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.model import StageModel

URI = "s3://legal/models/encoder/"


class Made:
    """The artifact of a stage that makes a model."""

    stage, key, files = "adapt", "0123", {"config.json": None, "model.safetensors": None}

    def __init__(self):
        self.fetched = []

    def fetch(self, name, directory):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
        self.fetched.append(name)
        return directory / name


def test_a_model_that_a_stage_makes_is_a_need_and_nothing_is_read_from_outside():
    build = Builder()
    build.add("adapt", "train", {}, [])
    build.add("train", "train", {}, [], model=ModelReference(stage="adapt"))
    stage = build.stages["train"]
    assert (stage.needs, stage.reads) == (("adapt",), ())
    other = Builder()
    other.add("adapt", "train", {"another": "setting"}, [])
    other.add("train", "train", {}, [], model=ModelReference(stage="adapt"))
    assert other.stages["train"].key != stage.key, "another model is other work"


def test_a_model_that_is_given_is_read_from_outside():
    build = Builder()
    build.add("train", "train", {}, [], model=ModelReference(uri=URI))
    stage = build.stages["train"]
    assert (stage.needs, stage.reads) == ((), (Read(URI, "model"),))


def test_what_a_stage_made_is_fetched_whole_and_known_by_its_key(tmp_path):
    made = Made()
    model = StageModel(ModelReference(stage="adapt"), None, tmp_path, made)
    assert (model.digest, model.name) == ("0123", "the model of stage adapt")
    assert made.fetched == [], "nothing is fetched before its files are asked for"
    assert sorted(file.name for file in model.directory.iterdir()) == sorted(Made.files)
    assert model.directory == model.directory
    assert len(made.fetched) == len(Made.files)


def test_what_is_given_is_fetched_from_its_uri(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    model = StageModel(ModelReference(uri=f"file://{tmp_path}"), None, tmp_path / "cache")
    assert model.name == f"file://{tmp_path}"
    assert model.directory == tmp_path


def context_of(model, needs=()):
    stage = SimpleNamespace(name="train", model=model)
    return StageContext(SimpleNamespace(stage=stage), None, None, None, None, None, None, dict(needs))


def test_a_stage_asks_its_context():
    made = Made()
    assert context_of(ModelReference(stage="adapt"), {"adapt": made}).model.artifact is made
    assert context_of(ModelReference(uri=URI)).model.reference.uri == URI
    with pytest.raises(AssertionError, match="has no model"):
        _ = context_of(None).model


def test_every_stage_that_reads_a_model_names_it():
    spec = Spec.model_validate(
        {
            "task": {"classes": [{"name": "a"}, {"name": "b"}]},
            "data": {"unlabeled": {"uri": "s3://legal/pool/"}, "gold": {"uri": "s3://legal/gold.csv"}},
            "storage": {"uri": "s3://legal/w2s"},
            "weak": {
                "labelers": [
                    {"name": "small", "type": "Finetuned", "finetuned": {"model": {"uri": "s3://m/small/"}}},
                    {
                        "name": "rules",
                        "type": "Functions",
                        "functions": {"rules": [{"className": "a", "pattern": "a"}]},
                    },
                ]
            },
            "strong": {"model": {"uri": URI}, "tuning": {"type": "LoRA"}},
        }
    )
    for stage in pipeline(spec):
        models = [read.uri for read in stage.reads if read.what == "model"]
        assert models == ([stage.model.uri] if stage.model else []), stage.name
