"""What the strong model forgot: which stage measures it, of which model, and which edit measures it again."""

import pytest
from manifests import SOUND, manifest, put
from verdicts import adapted, pretrain, retained, selects_texts

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import WeakToStrongJob
from w2s_api.stage import ModelReference, Read

MODEL = SOUND["spec"]["strong"]["model"]["uri"]
TEXTS = Read("s3://general/texts.jsonl", "data")
LORA = put("strong.tuning", {"type": "LoRA"})
AFTER = ["retention", "evaluate", "promote"]


def plan(*edits):
    job = WeakToStrongJob.model_validate(manifest(*edits))
    return {stage.name: stage for stage in pipeline(job.spec)}


def changed(before, after):
    return [name for name in after if name not in before or before[name].key != after[name].key]


def test_a_tuned_student_is_measured_against_the_model_as_it_came():
    stage = plan(LORA, retained())["retention"]
    assert stage.model == ModelReference(uri=MODEL)
    assert stage.roles["student"] == ("train-strong-0",)
    assert set(stage.reads) == {TEXTS, Read(MODEL, "model")}
    assert plan(LORA, retained())["evaluate"].roles["retention"] == ("retention",)


def test_of_heads_the_adapted_model_is_measured():
    stage = plan(adapted(pretrain()), retained())["retention"]
    assert stage.model == ModelReference(stage="adapt-1-pretrain")
    assert "student" not in stage.roles
    assert set(stage.reads) == {TEXTS, Read(MODEL, "model")}


def test_a_head_on_the_model_as_it_came_needs_no_stage():
    stages = plan(retained())
    assert "retention" not in stages
    assert "retention" not in stages["evaluate"].roles


def test_whoever_does_not_ask_keeps_every_key_and_whoever_asks_trains_nothing_again():
    plain, asked = plan(LORA), plan(LORA, retained())
    assert "retention" not in plain
    assert changed(plain, asked) == AFTER
    assert "promotion.maxForgetting" not in str(plain["promote"].inputs)
    assert changed(asked, plan(LORA, retained(), put("promotion.maxForgetting", "0.05"))) == AFTER[1:]


WRITES = selects_texts()


@pytest.mark.parametrize(
    ("base", "settings", "again"),
    [
        (LORA, {"maxTexts": 50}, AFTER),
        (LORA, {"maxTokens": 64}, AFTER),
        (LORA, {"maxTexts": 500, "prompts": []}, []),
        (WRITES, {"prompts": ["What is rain?"]}, AFTER),
        (WRITES, {"maxNewTokens": 8}, AFTER),
    ],
    ids=["texts", "tokens", "defaults written out", "prompts", "length of an answer"],
)
def test_an_edit_measures_again_and_changes_nothing_before(base, settings, again):
    assert changed(plan(base, retained()), plan(base, retained(**settings))) == again


def test_another_training_is_measured_again():
    again = changed(plan(LORA, retained()), plan(LORA, retained(), put("strong.training", {"epochs": 9})))
    assert "retention" in again
