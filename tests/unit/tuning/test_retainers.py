"""What keeps a model close to the one before: penalties against closed forms, and blocks that change no bit at first."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_kit import save_tiny, some_texts

from w2s_api.methods.retainers import BlockExpansion, Distillation, StartingPoint
from w2s_api.methods.tunings import Full, LoRA
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.expansion import places
from w2s_trainer.tuning.blocks import Asked, pack
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.language_model import LanguageModel, blocks_of, load_language_model
from w2s_trainer.tuning.language_objective import Checks, LanguageObjective
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.retainers import retainer
from w2s_trainer.tuning.tunable import seeded

TUNINGS = {"Full": Full(), "LoRA": LoRA(rank=4, alpha=8)}
SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=0.003, batch_tokens=40)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: save_tiny(kind, root / kind) for kind in ("bert", "llama", "opt")}


def load(directory: Path, tuning: str = "Full") -> LanguageModel:
    return load_language_model(directory, tuning=TUNINGS[tuning], name="tiny")


def some_blocks(model: LanguageModel, n: int = 24, seed: int = 1):
    ids = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in some_texts(n, seed)]
    return pack(ids, model.frame, 16)


def asked_of(model: LanguageModel, n: int = 3) -> list[Asked]:
    blocks, question = some_blocks(model), model.question(0.15, "tiny")
    rng = np.random.default_rng(0)
    return [question.ask(blocks.row(row).astype(np.int64), rng) for row in range(n)]


def moved(model: LanguageModel, by: float = 0.05) -> None:
    """Every weight that is tuned, by something at random."""
    torch.manual_seed(seeded(1))
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.add_(by * torch.randn_like(parameter))


def trained(model: LanguageModel, settings=None, schedule: Schedule = SCHEDULE) -> LanguageModel:
    learnt = some_blocks(model)
    penalty = retainer(settings).retain(model, settings) if settings else None
    model.make_tunable(0)
    steps = Order(len(learnt), schedule.batch_size, schedule.epochs, 0).steps
    question = model.question(0.15, "tiny")
    objective = LanguageObjective(learnt, question, steps=steps, seed=0, checks=Checks(), penalty=penalty)
    tune(model, objective, schedule, keeper=NoCheckpoints())
    return model


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_divergence_is_that_of_the_formula(models, tuning):
    """By hand in float64: Σ p_before (log p_before − log p), mean over the places of a block."""
    model, settings = load(models["llama"], tuning), Distillation(weight="0.5")
    asked = asked_of(model)
    with torch.inference_mode():
        before = torch.log_softmax(model.logits(asked).double(), -1)
    penalty = retainer(settings).retain(model, settings)
    assert penalty is not None
    model.make_tunable(0)
    assert penalty(model, asked, model.logits(asked)).abs().max() < 1e-6, "nothing has changed yet"
    moved(model)
    logits = model.logits(asked)
    found = penalty(model, asked, logits)
    now = torch.log_softmax(logits.detach().double(), -1)
    by_place = (before.exp() * (before - now)).sum(-1)
    expected = [0.5 * part.mean() for part in torch.split(by_place, [len(one.places) for one in asked])]
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-4, atol=1e-7)
    assert min(expected) > 0.001
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters().values())
    assert model.model.training


def test_the_distance_is_that_of_the_weights(models):
    """By hand, and its gradient: weight · (θ − θ_before)."""
    model, settings = load(models["llama"]), StartingPoint(weight="0.3")
    before = {name: one.detach().clone() for name, one in model.model.named_parameters()}
    penalty = retainer(settings).retain(model, settings)
    assert penalty is not None
    model.make_tunable(0)
    moved(model)
    found = penalty(model, [], torch.empty(0))
    squares = sum(
        float((one.detach() - before[name]).double().square().sum())
        for name, one in model.parameters().items()
    )
    assert float(found.detach()) == pytest.approx(0.15 * squares, rel=1e-5)
    found.backward()
    for name, parameter in model.parameters().items():
        torch.testing.assert_close(parameter.grad, 0.3 * (parameter.detach() - before[name]))


def distance(model: LanguageModel, before: dict) -> float:
    return sum(
        float((one.detach() - before[name]).square().sum()) for name, one in model.parameters().items()
    )


@pytest.mark.parametrize(
    "settings",
    [StartingPoint(weight="100"), Distillation(weight="10")],
    ids=["StartingPoint", "Distillation"],
)
def test_what_is_retained_goes_less_far(models, settings):
    before = {name: one.detach().clone() for name, one in load(models["llama"]).model.named_parameters()}
    free, held = trained(load(models["llama"])), trained(load(models["llama"]), settings)
    asked = asked_of(free)
    base = load(models["llama"])
    with torch.inference_mode():
        drift = [
            float(
                (torch.log_softmax(one.logits(asked), -1) - torch.log_softmax(base.logits(asked), -1))
                .abs()
                .mean()
            )
            for one in (free, held)
        ]
    assert drift[1] < 0.9 * drift[0]
    if isinstance(settings, StartingPoint):
        assert distance(held, before) < 0.5 * distance(free, before)


def test_how_a_batch_is_cut_counts_the_distance_once(models):
    whole = trained(
        load(models["llama"]), StartingPoint(weight="5"), Schedule(**{**vars(SCHEDULE), "batch_tokens": 4096})
    )
    cut = trained(
        load(models["llama"]), StartingPoint(weight="5"), Schedule(**{**vars(SCHEDULE), "batch_tokens": 16})
    )
    for (name, one), other in zip(whole.state().items(), cut.state().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-4, msg=lambda m, w=name: f"{w}: {m}")


def test_where_blocks_are_added():
    assert places(4, 2) == [(0, False), (1, False), (1, True), (2, False), (3, False), (3, True)]
    assert places(3, 3) == [(0, False), (0, True), (1, False), (1, True), (2, False), (2, True)]
    for blocks in range(1, 20):
        for added in range(1, blocks + 1):
            found = places(blocks, added)
            assert [source for source, is_added in found if not is_added] == list(range(blocks))
            assert sum(is_added for _, is_added in found) == added
            assert found[-1] == (blocks - 1, True)


@pytest.mark.parametrize("kind", ["llama", "opt"])
@pytest.mark.parametrize("added", [1, 2])
def test_a_model_with_added_blocks_says_the_same_to_the_bit_and_they_alone_learn(
    models, tmp_path, kind, added
):
    from transformers import AutoModelForCausalLM

    model, settings = load(models[kind]), BlockExpansion(blocks=added)
    asked = asked_of(model)
    old = {name: one.detach().clone() for name, one in model.model.named_parameters()}
    with torch.inference_mode():
        before = model.logits(asked)
    assert retainer(settings).retain(model, settings) is None
    with torch.inference_mode():
        assert torch.equal(before, model.logits(asked))
    assert len(blocks_of(model.model)) == 2 + added

    model.model.save_pretrained(tmp_path)  # in its real size: whoever loads it needs to know nothing
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.config.num_hidden_layers == 2 + added
    ids = torch.arange(9)[None]
    with torch.inference_mode():
        model.model.eval()
        assert torch.equal(again(input_ids=ids).logits, model.model(input_ids=ids).logits)

    taught = trained(load(models[kind]), settings)
    tuned = set(taught.parameters())
    assert {int(name.split("layers.")[1].split(".")[0]) for name in tuned} == set(taught.added_blocks)
    kept = {name: one for name, one in taught.model.named_parameters() if name not in tuned}
    unmoved = {id(one) for one in kept.values() if any(torch.equal(one, other) for other in old.values())}
    assert len(unmoved) == len(kept) == len(old)
    with torch.inference_mode():
        assert float(taught.token_losses(asked).mean()) < float(load(models[kind]).token_losses(asked).mean())


def test_blocks_that_cannot_be_added_are_refused(models):
    model = load(models["bert"])
    with pytest.raises(BadSpec, match="A BertForMaskedLM with added blocks says something else"):
        retainer(BlockExpansion(blocks=1)).retain(model, BlockExpansion(blocks=1))
    with pytest.raises(BadSpec, match="is 3, and LlamaForCausalLM has 2 blocks"):
        retainer(BlockExpansion(blocks=3)).retain(load(models["llama"]), BlockExpansion(blocks=3))
