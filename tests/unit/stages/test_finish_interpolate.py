"""Between a student and the model that it was tuned from: the line by numpy, its ends to the bit, and which share is taken."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tuning"))

from tiny_kit import CLASSES, LORA, save_tiny

from w2s_api.methods.tunings import Full
from w2s_trainer.stages.finish.before import StudentBefore
from w2s_trainer.stages.finish.interpolate import at, best_share
from w2s_trainer.tuning.student import load_student
from w2s_trainer.tuning.text_student import load_text_student


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    return {kind: save_tiny(kind, root / kind) for kind in ("bert", "llama")}


def before(student) -> StudentBefore:
    """A student all of whose tuned weights have moved."""
    student.make_tunable(0)
    base = {name: tensor.clone() for name, tensor in student.state().items()}
    torch.manual_seed(1)
    student.load({name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in base.items()})
    return StudentBefore(student, base, {name: tensor.clone() for name, tensor in student.state().items()})


def logits(student, ids) -> torch.Tensor:
    with torch.no_grad():
        return student.model.eval()(input_ids=torch.tensor([ids])).logits


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_of_all_weights_it_is_the_line_between_both(models, share):
    one = before(load_text_student(models["llama"], tuning=Full()))
    at(one, share)
    for name, found in one.student.state().items():
        wanted = (1 - share) * one.base[name].numpy() + share * one.tuned[name].numpy()
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6, err_msg=name)
        if share in (0, 1):
            assert torch.equal(found, (one.tuned if share else one.base)[name]), name


def test_of_adapters_it_is_the_line_between_the_merged_weights(models):
    one = before(load_text_student(models["llama"], tuning=LORA))
    plain = dict(load_text_student(models["llama"], tuning=LORA).model.named_parameters())
    at(one, 1.0)
    ids = [5, 6, 7, 8]
    with torch.no_grad():
        deltas = {
            name.removeprefix("base_model.model."): layer.get_delta_weight("default").clone()
            for name, layer in one.student.model.named_modules()
            if hasattr(layer, "get_delta_weight")
        }
    at(one, 0.25)
    found = logits(one.student, ids)
    by_hand = load_text_student(models["llama"], tuning=Full()).model
    with torch.no_grad():
        for name, delta in deltas.items():
            by_hand.get_submodule(name).weight.add_(0.25 * delta)
        wanted = by_hand.eval()(input_ids=torch.tensor([ids])).logits
    assert deltas
    assert plain
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_without_any_of_the_tuning_it_is_the_model_as_it_came(models):
    one = before(load_text_student(models["llama"], tuning=LORA))
    as_it_came = load_text_student(models["llama"], tuning=LORA)
    at(one, 0.0)
    torch.testing.assert_close(logits(one.student, [5, 6, 7]), logits(as_it_came, [5, 6, 7]))


@pytest.mark.parametrize("tuning", [LORA, Full()])
def test_a_head_that_was_not_there_before_stays_as_it_was_trained(models, tuning):
    one = before(load_student(models["bert"], CLASSES, tuning=tuning))
    at(one, 0.0)
    heads = [name for name in one.tuned if "classifier" in name or name.endswith("mean")]
    assert heads
    state = one.student.state()
    for name in heads:
        assert torch.equal(state[name], one.tuned[name]), name


@pytest.mark.parametrize(
    ("values", "higher", "best"),
    [
        ([0.2, 0.9, 0.5], True, 1),
        ([0.2, 0.9, 0.5], False, 0),
        ([0.9, 0.9, 0.5], True, 1),  # the larger share of equal ones
        ([float("nan"), 0.1, float("nan")], True, 1),
        ([float("nan")] * 3, True, 2),
    ],
)
def test_the_best_share(values, higher, best):
    assert best_share([0.0, 0.5, 1.0], values, higher) == best
