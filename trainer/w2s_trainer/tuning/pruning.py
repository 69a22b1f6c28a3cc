"""Pruning of a language model in memory: zeros in its weight matrices, or blocks and neurons that are taken out."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from w2s_api.methods.adaptation_steps import Prune
from w2s_trainer.models import pruning
from w2s_trainer.tuning.block_walk import (
    BlockWalk,
    alike,
    cannot_be_pruned,
    checked_blocks,
    layers_of,
    matrix_of,
)

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
_WIDTHS = ("intermediate_size", "ffn_dim", "ffn_hidden_size", "hidden_dim", "n_inner")
"""What architectures call the number of neurons of a feed-forward layer in their config."""
_ATTENTION = re.compile("att(entio)?n")
"""In the names of layers that may be of the same shape and are no part of it."""
_OF_BLOCKS = "layer"
"""Part of the name of each list in a config that has an entry for each block."""


def check_prunable(model: Any, settings: Prune, name: str) -> None:
    """Refuses what a model's shapes do not allow; its weights are not read.

    Args:
        model: of transformers, with or without weights.
        settings: of the step.
        name: what a person calls it.

    Raises:
        BadSpec: nothing would be left, the pattern does not divide a shape, or the architecture is put together in another way.
    """
    blocks = checked_blocks(model, name)
    if settings.method == "BlockInfluence":
        if (settings.blocks or 0) >= len(blocks):
            raise cannot_be_pruned(
                name,
                f"`blocks` is {settings.blocks:,}, and it has {len(blocks):,}: nothing would be left",
                f"Set `blocks` to {len(blocks) - 1:,} at most.",
            )
        return
    if settings.method == "Neurons":
        for block in blocks:
            _feed_forward(block, model.config, name)
        return
    for number, block in enumerate(blocks):
        layers = layers_of(block)
        if not layers:
            raise cannot_be_pruned(name, f"block {number} has no weight matrix of a kind that is known")
        for layer_name, layer in layers.items():
            inputs = matrix_of(layer).shape[1]
            if settings.pattern == "2:4" and inputs % pruning.GROUP:
                raise cannot_be_pruned(
                    name,
                    f"{layer_name} of block {number} has {inputs:,} inputs, which {pruning.GROUP} does not divide",
                    "Leave `pattern` out.",
                )


def prune(
    model: Any,
    settings: Prune,
    name: str,
    batches: "Sequence[torch.Tensor]",
    progress: Progress = lambda _phase, _done, _total: None,
) -> dict[str, Any]:
    """Prunes a model in place.

    Wanda and Neurons go from block to block: what is taken from one is seen by those after it, as in the authors' procedure.

    Args:
        model: of transformers, with nothing around it.
        settings: of the step.
        name: what a person calls it.
        batches: what it is calibrated on, int64[b, t] each, without padding; Magnitude reads none.
        progress: is told of each block.

    Returns:
        `layers`, of each block how many weights there are and how many are 0; of what is taken out `influences` or
        `neurons`.

    Raises:
        BadSpec: as `check_prunable`.
        OwnFault: memory ran out.
    """
    check_prunable(model, settings, name)
    match settings.method:
        case "BlockInfluence":
            return _without_blocks(model, settings, name, batches, progress)
        case "Neurons":
            return _without_neurons(model, settings, name, batches, progress)
        case _:
            return _with_zeros(model, settings, name, batches, progress)


def zeros_by_block(model: Any, name: str) -> list[dict[str, Any]]:
    """Of each block how many weights its matrices have, and how many of them, and which share, are 0."""
    found = []
    for number, block in enumerate(checked_blocks(model, name)):
        matrices = [matrix_of(layer) for layer in layers_of(block).values()]
        size = sum(matrix.numel() for matrix in matrices)
        zeros = sum(int((matrix == 0).sum()) for matrix in matrices)
        share = round(zeros / size, 6) if size else 0.0
        found.append({"block": number, "weights": size, "zeros": zeros, "sparsity": share})
    return found


def parameters_of(model: Any) -> int:
    """How many parameters a model has; those that are tied count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _with_zeros(
    model: Any, settings: Prune, name: str, batches: "Sequence[torch.Tensor]", progress: Progress
) -> dict[str, Any]:
    looks = settings.method == "Wanda"
    walk = BlockWalk.begin(model, name, batches) if looks else None
    blocks = checked_blocks(model, name)
    for number, block in enumerate(blocks):
        norms = walk.norms(number) if walk else {}
        for layer_name, layer in layers_of(block).items():
            weight = matrix_of(layer)
            if not looks:
                scores = weight.abs()
            elif layer_name in norms:
                scores = pruning.wanda_scores(weight, norms[layer_name])
            else:
                raise cannot_be_pruned(name, f"nothing reaches {layer_name} of block {number}")
            if settings.pattern == "2:4":
                mask = pruning.two_of_four(scores)
            elif looks:
                mask = pruning.smallest_of_rows(scores, settings.share)
            else:
                mask = pruning.smallest(scores, settings.share)
            weight[mask] = 0
        if walk:
            walk.advance(number)
        progress("pruning", number + 1, len(blocks))
    return {"layers": zeros_by_block(model, name)}


def _without_blocks(
    model: Any, settings: Prune, name: str, batches: "Sequence[torch.Tensor]", progress: Progress
) -> dict[str, Any]:
    import torch

    walk = BlockWalk.begin(model, name, batches)
    influences = []
    for number in range(len(walk.blocks)):
        before = walk.advance(number)
        cosines = torch.cat([pruning.cosines(*pair) for pair in zip(before, walk.states, strict=True)])
        influences.append(1 - float(cosines.mean()))
        progress("looking", number + 1, len(walk.blocks))
    gone = sorted(range(len(influences)), key=lambda number: (influences[number], number))[: settings.blocks]
    kept = [number for number in range(len(influences)) if number not in gone]
    _keep_blocks(model, walk.blocks, kept)
    return {
        "influences": [
            {"block": number, "influence": round(influence, 6), "kept": number in kept}
            for number, influence in enumerate(influences)
        ],
        "layers": zeros_by_block(model, name),
    }


def _keep_blocks(model: Any, blocks: Any, kept: list[int]) -> None:
    """Takes the others out, of the model and of its config: every list in that which has an entry for each block."""
    total = len(blocks)
    for number in sorted({*range(total)} - {*kept}, reverse=True):
        del blocks[number]
    for place, block in enumerate(blocks):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place
    config = model.config
    for key, value in config.to_dict().items():
        if _OF_BLOCKS in key and isinstance(value, (list, tuple)) and len(value) == total:
            setattr(config, key, [value[number] for number in kept])
    config.num_hidden_layers = len(kept)


def _without_neurons(
    model: Any, settings: Prune, name: str, batches: "Sequence[torch.Tensor]", progress: Progress
) -> dict[str, Any]:
    import torch

    walk = BlockWalk.begin(model, name, batches)
    blocks = checked_blocks(model, name)
    width, left = 0, 0
    for number, block in enumerate(blocks):
        key, writers, reader = _feed_forward(block, model.config, name)
        layers = layers_of(block)
        scores = pruning.wanda_scores(matrix_of(layers[reader]), walk.norms(number)[reader])
        kept = pruning.kept_neurons(scores, settings.share)
        width, left = scores.shape[1], len(kept)
        gone = torch.ones(width, dtype=torch.bool, device=scores.device).index_fill(0, kept, False)
        matrix_of(layers[reader])[:, gone] = 0
        unread = walk.output(number)
        for writer in writers:
            _select(layers[writer], kept, outputs=True)
        _select(layers[reader], kept, outputs=False)
        if not alike(walk.output(number), unread):
            raise cannot_be_pruned(name, f"the neurons of block {number} depend on one another")
        walk.advance(number)
        progress("pruning", number + 1, len(blocks))
    setattr(model.config, key, left)
    return {"neurons": {"before": width, "after": left}, "layers": zeros_by_block(model, name)}


def _feed_forward(block: Any, config: Any, name: str) -> tuple[str, list[str], str]:
    """The key of the config that says how many neurons a block has, the layers that make them, and the one that reads them.

    Raises:
        BadSpec: they are not to be told by their shapes.
    """
    for key in _WIDTHS:
        width = getattr(config, key, None)
        if not isinstance(width, int) or width == getattr(config, "hidden_size", None):
            continue
        shapes = {
            layer_name: matrix_of(layer).shape
            for layer_name, layer in layers_of(block).items()
            if not _ATTENTION.search(layer_name)
        }
        readers = [layer_name for layer_name, (_, inputs) in shapes.items() if inputs == width]
        writers = [layer_name for layer_name, (outputs, _) in shapes.items() if outputs == width]
        if len(readers) == 1 and writers and not {*readers} & {*writers}:
            return key, writers, readers[0]
    raise cannot_be_pruned(name, "the neurons of its feed-forward layers cannot be told by their shapes")


def _select(layer: Any, kept: "torch.Tensor", *, outputs: bool) -> None:
    """Leaves some outputs, or some inputs, of a weight matrix."""
    import torch

    transposed = not isinstance(layer, torch.nn.Linear)
    along = int(not outputs) if not transposed else int(outputs)
    layer.weight = torch.nn.Parameter(layer.weight.data.index_select(along, kept).contiguous())
    if outputs and layer.bias is not None:
        layer.bias = torch.nn.Parameter(layer.bias.data.index_select(0, kept).contiguous())
    attribute = ("nf" if outputs else "nx") if transposed else ("out_features" if outputs else "in_features")
    setattr(layer, attribute, len(kept))
