"""Pruning of whole models with random weights, against masks, activations and smaller models made by hand."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from w2s_api.methods.adaptation_steps import Prune
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.tuning.block_walk import batches_of, layers_of, matrix_of
from w2s_trainer.tuning.language_model import blocks_of
from w2s_trainer.tuning.pruning import check_prunable, parameters_of, prune

WORDS = 40
SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "vocab_size": WORDS,
    "pad_token_id": 0,
}
GROUPED: dict[str, Any] = {"num_key_value_heads": 1, "head_dim": 16}


def llama() -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZE))


def bert() -> Any:
    return transformers.BertForMaskedLM(transformers.BertConfig(**SIZE))


def gpt2() -> Any:
    config = transformers.GPT2Config(
        n_embd=32, n_inner=48, n_layer=4, n_head=2, n_positions=64, vocab_size=WORDS
    )
    return transformers.GPT2LMHeadModel(config)


def gemma() -> Any:
    """Its blocks have a kind each: the config has a list of them."""
    return transformers.Gemma3ForCausalLM(
        transformers.Gemma3TextConfig(**SIZE, **GROUPED, sliding_window=4, attn_implementation="eager")
    )


def distilbert() -> Any:
    config = transformers.DistilBertConfig(
        dim=32, hidden_dim=48, n_layers=4, n_heads=2, max_position_embeddings=64, vocab_size=WORDS
    )
    return transformers.DistilBertForMaskedLM(config)


def albert() -> Any:
    return transformers.AlbertForMaskedLM(transformers.AlbertConfig(**SIZE, embedding_size=16))


def phi3() -> Any:
    """Its feed-forward layer writes two halves by one matrix."""
    return transformers.Phi3ForCausalLM(transformers.Phi3Config(**SIZE, num_key_value_heads=1))


KINDS = {"llama": llama, "bert": bert, "gpt2": gpt2, "gemma": gemma, "distilbert": distilbert}


def made(kind: Any) -> Any:
    torch.manual_seed(0)
    model = kind().eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(8)  # or all blocks do next to nothing
    model.config.use_cache = False
    return model


def some_batches() -> list[torch.Tensor]:
    rng = np.random.default_rng(0)
    blocks = Ragged([rng.integers(4, WORDS, size=size) for size in (12, 12, 12, 7)])
    return batches_of(blocks, 24, "cpu")


def settings(**given: Any) -> Prune:
    return Prune.model_validate(given)


def weights_of(model: Any) -> list[dict[str, np.ndarray]]:
    return [
        {name: matrix_of(layer).numpy().copy() for name, layer in layers_of(block).items()}
        for block in blocks_of(model)
    ]


def test_batches_have_blocks_of_one_length():
    assert [tuple(batch.shape) for batch in some_batches()] == [(2, 12), (1, 12), (1, 7)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_by_magnitude_the_smallest_of_each_matrix_become_zero(kind, share):
    model = made(KINDS[kind])
    before = weights_of(model)
    figures = prune(model, settings(method="Magnitude", sparsity=str(share)), kind, [])
    for old, new in zip(before, weights_of(model), strict=True):
        for name, weight in old.items():
            count = int(share * weight.size)
            limit = np.sort(np.abs(weight).reshape(-1))[count]
            assert np.array_equal(new[name], np.where(np.abs(weight) < limit, 0, weight)), name
    assert [one["sparsity"] for one in figures["layers"]] == pytest.approx([share] * 4, abs=1e-3)


@pytest.mark.parametrize("pattern", ["Unstructured", "2:4"])
@pytest.mark.parametrize("kind", KINDS)
def test_by_wanda_each_row_is_pruned_by_what_reaches_it_behind_the_pruned_blocks(kind, pattern):
    """By hand: block by block, inputs of every layer are collected in a pass through the whole model."""
    model, oracle = made(KINDS[kind]), made(KINDS[kind])
    batches = some_batches()
    for block in blocks_of(oracle):
        inputs: dict[str, list[np.ndarray]] = {}
        hooks = [
            layer.register_forward_hook(
                lambda _module, given, _made, name=name, inputs=inputs: inputs.setdefault(name, []).append(
                    given[0].reshape(-1, given[0].shape[-1]).numpy()
                )
            )
            for name, layer in layers_of(block).items()
        ]
        with torch.no_grad():
            for ids in batches:
                oracle(input_ids=ids, attention_mask=torch.ones_like(ids))
        for hook in hooks:
            hook.remove()
        for name, layer in layers_of(block).items():
            weight = matrix_of(layer)
            norms = np.sqrt((np.concatenate(inputs[name]).astype(np.float64) ** 2).sum(axis=0))
            scores = np.abs(weight.numpy()) * norms
            if pattern == "2:4":
                order = np.argsort(scores.reshape(-1, 4), axis=1)[:, :2]
                mask = np.zeros((scores.size // 4, 4), dtype=bool)
                np.put_along_axis(mask, order, True, axis=1)
                mask = mask.reshape(scores.shape)
            else:
                order = np.argsort(scores, axis=1)[:, : scores.shape[1] // 2]
                mask = np.zeros(scores.shape, dtype=bool)
                np.put_along_axis(mask, order, True, axis=1)
            weight[torch.from_numpy(mask)] = 0
    figures = prune(model, settings(pattern=pattern), kind, batches)
    for found, wanted in zip(weights_of(model), weights_of(oracle), strict=True):
        for name in wanted:
            assert np.array_equal(found[name], wanted[name]), name
    assert [one["sparsity"] for one in figures["layers"]] == [0.5] * 4
    head = model.get_output_embeddings().weight
    assert torch.equal(head, made(KINDS[kind]).get_output_embeddings().weight), "no part of a block"


def states_of(model: Any, batches: list[torch.Tensor]) -> list[list[np.ndarray]]:
    """What reaches each block, and what leaves the last, by hand."""
    seen: list[list[np.ndarray]] = [[] for _ in range(len(blocks_of(model)) + 1)]
    blocks = list(blocks_of(model))

    def note(place: int, states: Any) -> None:
        seen[place].append((states[0] if isinstance(states, tuple) else states).numpy().astype(np.float64))

    for place, block in enumerate(blocks):
        block.register_forward_hook(lambda _module, _given, out, place=place: note(place + 1, out))
    blocks[0].register_forward_pre_hook(
        lambda _module, given, named: note(0, given[0] if given else named["hidden_states"]),
        with_kwargs=True,
    )
    with torch.no_grad():
        for ids in batches:
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_change_least_are_taken_out_and_the_files_are_those_of_a_smaller_model(kind, tmp_path):
    model, batches = made(KINDS[kind]), some_batches()
    seen = states_of(made(KINDS[kind]), batches)
    influences = []
    for before, after in pairwise(seen):
        one, two = (np.concatenate([part.reshape(-1, 32) for part in states]) for states in (before, after))
        cosine = (one * two).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
        influences.append(1 - cosine.mean())
    left = sorted(np.argsort(influences)[2:].tolist())
    blocks = list(blocks_of(model))
    size = parameters_of(model)
    figures = prune(model, settings(method="BlockInfluence", blocks=2), kind, batches)
    assert [one["influence"] for one in figures["influences"]] == pytest.approx(influences, abs=1e-5)
    assert [one["block"] for one in figures["influences"] if one["kept"]] == left
    assert list(blocks_of(model)) == [blocks[place] for place in left]
    assert parameters_of(model) < size
    same_after_loading(model, batches, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_neurons_are_taken_out_of_every_feed_forward_layer(kind, tmp_path):
    model, whole, batches = made(KINDS[kind]), made(KINDS[kind]), some_batches()
    figures = prune(model, settings(method="Neurons", sparsity="0.25"), kind, batches)
    assert figures["neurons"] == {"before": 48, "after": 36}
    readers = {"llama": "mlp.down_proj", "bert": "output.dense", "gpt2": "mlp.c_proj"}
    reader = {**readers, "gemma": "mlp.down_proj", "distilbert": "ffn.lin2"}[kind]
    first, old = (layers_of(blocks_of(one)[0])[reader] for one in (model, whole))
    inputs: list[torch.Tensor] = []
    old.register_forward_pre_hook(lambda _module, given: inputs.append(given[0].reshape(-1, 48).double()))
    with torch.no_grad():
        for ids in batches:
            whole(input_ids=ids, attention_mask=torch.ones_like(ids))
    scores = matrix_of(old).double().abs().sum(dim=0) * torch.cat(inputs).square().sum(dim=0).sqrt()
    kept = scores.argsort()[12:].sort().values
    assert torch.equal(matrix_of(first), matrix_of(old)[:, kept])
    same_after_loading(model, batches, tmp_path)


def same_after_loading(model: Any, batches: list[torch.Tensor], directory: Any) -> None:
    """By plain `from_pretrained`."""
    model.save_pretrained(directory)
    auto = (
        transformers.AutoModelForMaskedLM
        if "Masked" in type(model).__name__
        else transformers.AutoModelForCausalLM
    )
    again, report = auto.from_pretrained(directory, output_loading_info=True)
    assert not any(report.values()), report
    with torch.no_grad():
        for ids in batches:
            mask = torch.ones_like(ids)
            made = [one.eval()(input_ids=ids, attention_mask=mask).logits for one in (model, again)]
            torch.testing.assert_close(*made)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        (llama, {"method": "BlockInfluence", "blocks": 4}, "it has 4: nothing would be left"),
        (albert, {}, r"cannot be told apart \(1 found, 4 declared\)"),
        (phi3, {"method": "Neurons"}, "cannot be told by their shapes"),
    ],
)
def test_what_leaves_nothing_or_is_not_known_is_refused_from_the_shapes_alone(kind, given, why):
    with torch.device("meta"):
        model = kind()
    with pytest.raises(BadSpec, match=why) as refused:
        check_prunable(model, settings(**given), "m")
    assert refused.value.reason == "CannotBePruned"


def test_a_pattern_that_does_not_divide_a_shape_is_refused_from_the_shapes_alone():
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**{**SIZE, "intermediate_size": 46}),
        )
    with pytest.raises(BadSpec, match=r"mlp.down_proj of block 0 has 46 inputs, which 4 does not divide"):
        check_prunable(model, settings(pattern="2:4"), "m")
    check_prunable(model, settings(), "m")


def test_blocks_between_which_something_happens_are_refused():
    model = made(bert)
    seen = model.bert.encoder.layer[1].forward
    model.bert.encoder.layer[1].forward = lambda states, *given, **named: seen(2 * states, *given, **named)
    model.bert.encoder.layer[1].register_forward_pre_hook(lambda _module, given: (given[0] + 1, *given[1:]))
    with pytest.raises(BadSpec, match="more than block 0 stands between it and block 1"):
        prune(model, settings(), "m", some_batches())
