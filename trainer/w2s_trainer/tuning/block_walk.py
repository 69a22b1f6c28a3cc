"""The blocks of a model, one after the other on the same texts: what reaches each of their layers.

What a block is given beside the states of its tokens (masks, positions) is taken from one pass through the whole model, so that
this works for any architecture whose blocks are applied in order, each once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.tuning.language_model import blocks_of

if TYPE_CHECKING:
    import torch

_STATES = "hidden_states"
_NEAR = 1e-4
"""How far, of the largest number, states may be off that should be the same: a block may add in another order."""


def layers_of(block: Any) -> dict[str, Any]:
    """The modules of a block that are a weight matrix, by name: those of torch, and those of GPT-2's kind."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return {
        name: module
        for name, module in block.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D))
    }


def matrix_of(layer: Any) -> "torch.Tensor":
    """The weights of such a module as float[out, in], in the same memory."""
    import torch

    weight: torch.Tensor = layer.weight.data
    return weight if isinstance(layer, torch.nn.Linear) else weight.T


def checked_blocks(model: Any, name: str) -> Any:
    """The blocks of a model of transformers, in order.

    Raises:
        BadSpec: they are not as many as its config says.
    """
    blocks, declared = blocks_of(model), getattr(model.config, "num_hidden_layers", None)
    if len(blocks) and len(blocks) == declared:
        return blocks
    raise cannot_be_pruned(
        name, f"its blocks cannot be told apart ({len(blocks):,} found, {declared} declared)"
    )


def cannot_be_pruned(
    name: str, why: str, hint: str = "Leave the step out, or name another model."
) -> BadSpec:
    """The error of a model whose shapes, or the way in which it is put together, do not allow it."""
    return BadSpec("CannotBePruned", f"{name} cannot be pruned: {why}.", hint)


@dataclass
class BlockWalk:
    """A walk through the blocks: `states` are what reaches the block that is next."""

    blocks: Any
    states: "list[torch.Tensor]"
    """Of each batch, float[b, t, width]."""
    _beside: "list[list[tuple[tuple[Any, ...], dict[str, Any]]]]"
    """Of each batch, what each block is given beside them."""

    @classmethod
    def begin(cls, model: Any, name: str, batches: "Sequence[torch.Tensor]") -> "BlockWalk":
        """Passes the batches through the whole model once.

        Args:
            model: of transformers, with nothing around it.
            name: what a person calls it.
            batches: token ids, int64[b, t] each, without padding.

        Raises:
            BadSpec: its blocks are not applied in order, each once.
            OwnFault: memory ran out.
        """
        blocks = checked_blocks(model, name)
        walk = cls(blocks, [], [])
        for ids in batches:
            calls = _calls(model, blocks, name, ids)
            if not walk.states:
                _check_replay(blocks, calls, name)
            walk.states.append(calls[0].states)
            walk._beside.append([(call.arguments, call.named) for call in calls])
        return walk

    def norms(self, place: int) -> "dict[str, torch.Tensor]":
        """‖X_j‖₂ of what reaches each layer of a block, over all tokens: float32[in] by the layer's name."""
        import torch

        squares: dict[str, torch.Tensor] = {}

        def note(name: str) -> Any:
            def hook(_module: Any, given: "tuple[torch.Tensor, ...]") -> None:
                inputs = given[0].detach().reshape(-1, given[0].shape[-1])
                found = inputs.double().square().sum(dim=0)
                squares[name] = squares[name] + found if name in squares else found

            return hook

        layers = layers_of(self.blocks[place])
        hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
        try:
            for _ in self._passed(place):
                pass
        finally:
            for hook in hooks:
                hook.remove()
        return {name: square.sqrt().float() for name, square in squares.items()}

    def output(self, place: int) -> "torch.Tensor":
        """What a block makes of the first batch, float[b, t, width]."""
        return next(self._passed(place))

    def advance(self, place: int) -> "list[torch.Tensor]":
        """Passes the states through a block, as it is; what reached it is given back."""
        before = self.states
        self.states = list(self._passed(place))
        return before

    def _passed(self, place: int) -> "Iterator[torch.Tensor]":
        import torch

        with torch.inference_mode(), memory_bound():
            for states, beside in zip(self.states, self._beside, strict=True):
                arguments, named = beside[place]
                yield _first(self.blocks[place](states, *arguments, **named))


def alike(made: "torch.Tensor", wanted: "torch.Tensor") -> bool:
    """Whether states are the same but for the order in which sums were made."""
    import torch

    near = _NEAR * float(wanted.abs().max())
    return made.shape == wanted.shape and torch.allclose(made, wanted, rtol=0, atol=near)


def batches_of(blocks: Ragged, batch_tokens: int, device: str) -> "list[torch.Tensor]":
    """Blocks of texts as batches without padding: those of one length together, int64[b, t] on the device."""
    import torch

    by_length: dict[int, list[list[int]]] = {}
    for ids in blocks:
        by_length.setdefault(len(ids), []).append(ids)
    batches = []
    for length, same in by_length.items():
        size = max(1, batch_tokens // length)
        batches += [torch.tensor(same[i : i + size], device=device) for i in range(0, len(same), size)]
    return batches


def _first(made: Any) -> "torch.Tensor":
    states: torch.Tensor = made[0] if isinstance(made, (tuple, list)) else made
    return states


class _Call(NamedTuple):
    """What a block is given."""

    states: "torch.Tensor"
    arguments: tuple[Any, ...]
    """Behind the states."""
    named: dict[str, Any]


def _calls(model: Any, blocks: Any, name: str, ids: "torch.Tensor") -> list[_Call]:
    """What each block is given in a pass through the whole model."""
    import torch

    calls: list[tuple[int, _Call]] = []

    def note(place: int) -> Any:
        def hook(_module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            states = arguments[0] if arguments else named[_STATES]
            beside = {key: value for key, value in named.items() if key != _STATES}
            calls.append((place, _Call(states, arguments[1:], beside)))

        return hook

    hooks = [
        block.register_forward_pre_hook(note(place), with_kwargs=True) for place, block in enumerate(blocks)
    ]
    try:
        with torch.inference_mode(), memory_bound():
            model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        for hook in hooks:
            hook.remove()
    if [place for place, _ in calls] != list(range(len(blocks))):
        raise cannot_be_pruned(name, "its blocks are not applied in order, each once")
    return [call for _, call in calls]


def _check_replay(blocks: Any, calls: list[_Call], name: str) -> None:
    """Passes states through each block alone, to see whether nothing else happens between two of them."""
    import torch

    with torch.inference_mode(), memory_bound():
        for place, (call, following) in enumerate(pairwise(calls)):
            made, wanted = _first(blocks[place](call.states, *call.arguments, **call.named)), following.states
            if not alike(made, wanted):
                raise cannot_be_pruned(
                    name, f"more than block {place} stands between it and block {place + 1}"
                )
