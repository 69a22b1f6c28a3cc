"""The tuned model that is asked: the student's own body, under the output layer that was there before."""

from types import SimpleNamespace

import pytest
import torch
from retention_kit import save
from safetensors.torch import save_file
from tiny_kit import CLASSES, LORA, load, save_tiny

from w2s_api.methods.tunings import Full
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.retention import models

IDS = torch.tensor([[5, 9, 14, 7]])


class Context:
    """What is looked at of a stage's context: the model, and the student's weights."""

    def __init__(self, directory, state, tuning, scratch) -> None:
        self.model = SimpleNamespace(directory=directory, name="tiny", artifact=None)
        self.scratch = scratch
        self.job = SimpleNamespace(stage=SimpleNamespace(roles={"student": ("train-strong-0",)}))
        self.spec = SimpleNamespace(
            task=SimpleNamespace(type="Classification"),
            strong=SimpleNamespace(tuning=SimpleNamespace(settings=tuning)),
        )
        save_file(state, scratch / "student.safetensors")

    def artifact(self, role):
        assert role == "student"
        return SimpleNamespace(fetch=lambda name, place: place / name)


def family_of(_spec):
    from w2s_trainer.tuning.student import load_student

    return SimpleNamespace(
        load_student=lambda directory, name, **more: load_student(directory, CLASSES, name=name, **more)
    )


@pytest.mark.parametrize("tuning", [LORA, Full()], ids=["LoRA", "Full"])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_of_a_classifier_the_body_is_the_students_and_the_output_layer_that_before(
    tmp_path, monkeypatch, kind, tuning
):
    special = {"mask_token": "[UNK]"} if kind == "bert" else {}
    directory = save(kind, tmp_path / "model", **special)
    student = load(directory, tuning)
    torch.manual_seed(3)
    with torch.no_grad():
        for one in student.parameters().values():
            one.add_(torch.randn_like(one) * 0.05)
    state = {name: tensor.detach().clone().contiguous() for name, tensor in student.state().items()}
    monkeypatch.setattr(models, "family_of", family_of)
    context = Context(directory, state, tuning, tmp_path)
    before, after = models._language_model(context.model), models.tuned(context)
    student.model.eval()
    whole = student.model.get_base_model() if hasattr(student.model, "get_base_model") else student.model
    body = whole.encoder if hasattr(whole, "encoder") else whole.base_model
    with torch.inference_mode():
        expected = body(input_ids=IDS).last_hidden_state
        theirs = after.model.base_model(input_ids=IDS).last_hidden_state
        unlike = before.model.base_model(input_ids=IDS).last_hidden_state
    torch.testing.assert_close(theirs, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(unlike, expected, atol=1e-2), "the tuning changed something"
    head = {
        name: tensor for name, tensor in before.model.state_dict().items() if "predictions.transform" in name
    }
    if kind == "llama":
        head = {"lm_head.weight": before.model.lm_head.weight}
    assert head
    for name, tensor in head.items():
        torch.testing.assert_close(after.model.state_dict()[name], tensor)


def test_without_a_student_it_is_the_adapted_model(tmp_path):
    directory = save("llama", tmp_path / "model")
    context = SimpleNamespace(
        job=SimpleNamespace(stage=SimpleNamespace(roles={})),
        model=SimpleNamespace(directory=directory, name="adapted"),
    )
    model = models.tuned(context)
    assert model.causal
    assert model.tokenizer.name_or_path == "adapted"


def test_an_encoder_whose_layer_is_not_in_its_files_is_refused_when_it_is_loaded(tmp_path):
    """Its config names a class that its weights are not of: a discriminator's, or a body's that was renamed."""
    import json

    directory = save_tiny("bert", tmp_path / "model")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}))
    model = SimpleNamespace(directory=directory, name="tiny", artifact=None)
    with pytest.raises(BadSpec, match="tiny was published without the output layer"):
        models._language_model(model, needs_head=True)
    assert models._language_model(save_model(tmp_path), needs_head=True).head


def save_model(root):
    return SimpleNamespace(directory=save("bert", root / "whole", mask_token="[UNK]"), name="whole")
