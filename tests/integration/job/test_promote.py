"""The last stage on a student tuned by LoRA: what is published is what was measured, in one form or the other."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from published_kit import check_predictions, model_of

pytestmark = pytest.mark.slow


def test_a_student_is_published_merged_then_apart_then_refused(workplace, capsys):
    tuning = {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.001"}}
    workplace.edit(lambda spec: spec["strong"].update(tuning=tuning, training={"epochs": 2}))
    workplace.edit(lambda spec: spec.update(evaluation={"seeds": 1, "controls": []}))
    done = workplace.run()
    assert done.returncode == 0, done.stderr
    pointer, there = model_of(workplace)
    assert there == pointer["files"].keys() >= {"model.safetensors", "modeling_w2s.py", "README.md"}
    check_predictions(workplace, capsys)
    card = workplace.objects.read(pointer["uri"] + "README.md").decode()
    student = workplace.results()["training"]["trained"][0]
    assert f"in {student['steps']} steps, in {student['precision']}, seed 0" in card
    assert "LoRA adapters of rank 4 (alpha 32) on every linear layer" in card

    workplace.edit(lambda spec: spec["promotion"].update(publish="Adapter"))
    assert workplace.run().returncode == 0
    assert workplace.worked == ["promote"]
    pointer, there = model_of(workplace)
    assert there == pointer["files"].keys() >= {"adapter_model.safetensors", "base/model.safetensors"}
    assert "model.safetensors" not in there  # of the model that was there before
    check_predictions(workplace, capsys)

    workplace.edit(lambda spec: spec["promotion"].update(mustBeat=["Weak"], minLowerBound="0.99"))
    refused = workplace.run()
    assert refused.returncode == 0, refused.stderr
    assert "Not published" in refused.stdout
    assert model_of(workplace) == (pointer, there)
