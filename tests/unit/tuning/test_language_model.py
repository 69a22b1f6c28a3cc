"""Pretraining of tiny models: the loss is that of transformers, and an interrupted training ends in the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_kit import SPECIAL, WORDS, save_tiny, some_texts

from w2s_api.methods.tunings import Full, LoRA
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.tuning.blocks import pack
from w2s_trainer.tuning.language_model import LanguageModel, load_language_model
from w2s_trainer.tuning.language_objective import Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import Schedule, make_optimizer, tune
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.state import TrainingRun

SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=0.003, batch_tokens=128, checks=3)
TUNINGS = {"Full": Full(), "LoRA": LoRA(rank=4, alpha=8)}


def with_mask(directory: Path) -> Path:
    """An encoder's tokenizer needs a token for what is hidden: the unknown one stands in."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.mask_token = "[UNK]"
    tokenizer.cls_token, tokenizer.sep_token = "[CLS]", "[SEP]"
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {"bert": with_mask(save_tiny("bert", root / "bert")), "llama": save_tiny("llama", root / "llama")}


def load(directory: Path, tuning="Full") -> LanguageModel:
    return load_language_model(directory, tuning=TUNINGS[tuning], name="tiny")


def blocks_of(model: LanguageModel, n: int, seed: int) -> Ragged:
    ids = [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in some_texts(n, seed)]
    return pack(ids, model.frame, 16)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_loss_is_that_of_transformers(models, kind):
    model = load(models[kind])
    blocks = blocks_of(model, 6, 0)
    question = model.question(0.3, "tiny")
    rng = np.random.default_rng(3)
    asked = [question.ask(blocks.row(row).astype(np.int64), rng) for row in range(len(blocks))]
    with torch.inference_mode():
        ours = model.token_losses(asked)
        for row, one in enumerate(asked):
            labels = torch.full((1, len(one.ids)), -100)
            labels[0, one.places] = torch.from_numpy(one.targets)
            if kind == "llama":  # its class moves labels by one place itself
                whole = torch.from_numpy(blocks.row(row).astype(np.int64))[None]
                theirs = model.inner(input_ids=whole, labels=whole).loss
            else:
                ids = torch.from_numpy(one.ids)[None]
                theirs = model.inner(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
            assert float(ours[row]) == pytest.approx(float(theirs), rel=1e-5)


def test_a_head_that_was_not_there_passes_on_what_it_is_given(models):
    """The oracle, by hand: layer norm of gelu of the state, times the embeddings."""
    model = load(models["bert"])
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        logits = model.model(input_ids=ids).logits
        states = torch.nn.functional.gelu(model.model.bert(input_ids=ids).last_hidden_state)
        normed = torch.nn.functional.layer_norm(
            states, states.shape[-1:], eps=model.model.config.layer_norm_eps
        )
        by_hand = normed @ model.model.get_input_embeddings().weight.T
    torch.testing.assert_close(logits, by_hand, rtol=1e-4, atol=1e-4)


def test_a_head_that_was_there_is_kept(models, tmp_path):
    model = load(models["bert"])
    with torch.no_grad():
        model.model.cls.predictions.bias.fill_(0.5)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    assert float(load(tmp_path).model.cls.predictions.bias.detach().mean()) == 0.5


def test_of_a_head_that_was_there_in_part_the_rest_is_set(models, tmp_path):
    """Nothing is random: two loads are the same."""
    from safetensors.torch import load_file, save_file

    model = load(models["bert"])
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    del weights["cls.predictions.transform.dense.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    for _ in range(2):
        dense = load(tmp_path).model.cls.predictions.transform.dense.weight
        assert torch.equal(dense, torch.eye(32))


def test_an_encoder_without_a_mask_token_is_refused(tmp_path):
    model = load(save_tiny("bert", tmp_path / "bert"))
    with pytest.raises(BadSpec, match="no `mask_token`"):
        model.question(0.15, "tiny")


def test_words_that_replace_hidden_ones_are_no_special_tokens(models):
    question = load(models["bert"]).question(0.15, "tiny")
    assert len(question.words) == len(WORDS)
    assert min(question.words) >= len(SPECIAL)


class Kept:
    """Holds what a checkpoint would, after a step; ends the training there."""

    def __init__(self, after: int, saved: dict | None = None) -> None:
        self.after, self.saved = after, saved

    def restore(self, run: TrainingRun) -> None:
        if self.saved is None:
            return
        run.student.load(self.saved["student"])
        run.optimizer.load_state_dict(self.saved["optimizer"])
        run.objective.load(self.saved["objective"])
        run.state.step = self.saved["step"]

    def after_step(self, run: TrainingRun, *, final: bool) -> None:
        del final
        if run.state.step == self.after:
            self.saved = {
                "student": {name: tensor.clone() for name, tensor in run.student.state().items()},
                "optimizer": run.optimizer.state_dict(),
                "objective": {name: tensor.clone() for name, tensor in run.objective.state().items()},
                "step": run.state.step,
            }
            raise InterruptedError


def trained(
    directory: Path, tuning: str, keeper: Kept, frozen_blocks: int = 0, **changes
) -> tuple[LanguageModel, Checks]:
    model = load(directory, tuning)
    model.frozen_blocks = frozen_blocks
    learnt, held_out = blocks_of(model, 40, 1), blocks_of(model, 8, 2)
    question = model.question(0.15, "tiny")
    schedule = Schedule(**{**vars(SCHEDULE), **changes})
    checks = Checks()
    steps = Order(len(learnt), schedule.batch_size, schedule.epochs, 0).steps
    objective = LanguageObjective(learnt, question, steps=steps, seed=0, checks=checks)
    validation = HeldOutBlocks(held_out, question, objective=objective, checks=checks)
    if keeper.saved is None:
        checks.losses.append((0, validation.measure(model, 512)))
    model.make_tunable(0)
    make_optimizer(model, schedule)
    tune(model, objective, schedule, keeper=keeper, validation=validation, keep_best=False)
    return model, checks


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_an_interrupted_training_ends_in_the_same_bits(models, kind, tuning):
    whole, checks = trained(models[kind], tuning, Kept(-1))
    first = Kept(7)
    with pytest.raises(InterruptedError):
        trained(models[kind], tuning, first)
    resumed, again = trained(models[kind], tuning, Kept(-1, first.saved))
    for (name, one), other in zip(whole.state().items(), resumed.state().values(), strict=True):
        assert torch.equal(one, other), name
    assert checks.losses == again.losses
    assert checks.losses[0][0] == 0
    assert len(checks.losses) == 1 + SCHEDULE.checks
    assert checks.losses[-1][1] < checks.losses[0][1], "it learnt something"


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(models, kind, tuning):
    before = load(models[kind], tuning).model.state_dict()
    model, _ = trained(models[kind], tuning, Kept(-1), frozen_blocks=1, epochs=1)
    made = (model.model.merge_and_unload() if tuning == "LoRA" else model.model).state_dict()
    frozen = [
        name
        for name in made
        if ".0." in name or name.endswith(("word_embeddings.weight", "embed_tokens.weight"))
    ]
    assert len(frozen) > 5
    assert [name for name in frozen if not torch.equal(made[name], before[name])] == []
    assert any(not torch.equal(made[name], before[name]) for name in made if ".1." in name)


def test_a_model_all_of_which_is_frozen_is_refused(models):
    model = load_language_model(models["llama"], tuning=Full(), name="tiny", frozen_blocks=2)
    with pytest.raises(BadSpec, match="`freezeBlocks` is 2, and LlamaForCausalLM has 2 blocks"):
        model.make_tunable(0)


def test_how_a_batch_is_cut_changes_nothing(models):
    one, losses = trained(models["bert"], "Full", Kept(-1), epochs=1)
    other, others = trained(models["bert"], "Full", Kept(-1), epochs=1, batch_tokens=24)
    for (name, first), second in zip(one.state().items(), other.state().values(), strict=True):
        if not name.endswith("key.bias"):  # softmax does not see it: its gradient is noise around 0
            torch.testing.assert_close(first, second, rtol=1e-3, atol=2e-4)
    for (step, loss), (same, again) in zip(losses.losses, others.losses, strict=True):
        assert (step, loss) == (same, pytest.approx(again, rel=1e-4))
