"""A model with more blocks that says what it said before (Wu et al. 2024, arXiv 2401.02415: block expansion)."""

from collections.abc import Sequence
from typing import Any

from w2s_trainer.errors import BadSpec

_OUTPUTS = frozenset(
    {"o_proj", "out_proj", "c_proj", "down_proj", "fc2", "dense", "dense_4h_to_h", "wo", "Wo", "w2"}
)
"""What the layers of a block are called whose outputs are added to what goes past it, by architecture."""
_PROBE = 16
"""Tokens that both models are asked about."""


def places(blocks: int, added: int) -> list[tuple[int, bool]]:
    """Which block each block of the larger model is a copy of, and whether it is an added one. Pure.

    Blocks are divided into groups whose sizes differ by one at most; behind each comes a copy of its last block.

    Args:
        blocks: of the model.
        added: from 1 to as many.
    """
    ends = {round(blocks * (group + 1) / added) for group in range(added)}
    found = []
    for block in range(blocks):
        found.append((block, False))
        if block + 1 in ends:
            found.append((block, True))
    return found


def expanded(model: Any, prefix: str, added: int) -> tuple[Any, tuple[int, ...]]:
    """The larger model, of the same class, and the places of the blocks that were added.

    Args:
        model: of transformers, without adapters.
        prefix: the name of its list of blocks.
        added: from 1 to as many as it has.

    Raises:
        BadSpec: it says something else than before: what a block puts out is not simply added to what goes past it, as in
            encoders that norm behind a block.
    """
    import torch

    blocks = len(model.get_submodule(prefix))
    plan = places(blocks, added)
    config = _larger(model.config, blocks, [source for source, _ in plan])
    larger = (
        type(model)
        ._from_config(config, dtype=model.dtype, attn_implementation=model.config._attn_implementation)
        .to(model.device)
    )
    weights = model.state_dict()
    own = {name: tensor for name, tensor in weights.items() if not name.startswith(f"{prefix}.")}
    for place, (source, is_added) in enumerate(plan):
        start = f"{prefix}.{source}."
        for name, tensor in weights.items():
            if name.startswith(start):
                rest = name.removeprefix(start)
                zero = is_added and not _OUTPUTS.isdisjoint(rest.split("."))
                own[f"{prefix}.{place}.{rest}"] = torch.zeros_like(tensor) if zero else tensor
    larger.load_state_dict(own)
    if getattr(model, "generation_config", None) is not None:
        larger.generation_config = model.generation_config
    if not _alike(model, larger):
        raise BadSpec(
            "BlocksCannotBeAdded",
            f"A {type(model).__name__} with added blocks says something else than before, although they put out nothing: what"
            " its blocks put out is not simply added to what goes past them (encoders that norm behind a block are such).",
            "Leave `retain` out, or name another `retain.type`; causal models can have blocks added.",
        )
    return larger, tuple(place for place, (_, is_added) in enumerate(plan) if is_added)


def _larger(config: Any, blocks: int, sources: Sequence[int]) -> Any:
    """The configuration with more blocks; what it says of each block in a list goes with the block."""
    written = config.to_dict()
    name = getattr(type(config), "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    written[name] = len(sources)
    for key, value in written.items():
        if "layer" in key and isinstance(value, list) and len(value) == blocks:
            written[key] = [value[source] for source in sources]
    return type(config).from_dict(written)


def _alike(model: Any, larger: Any) -> bool:
    """Whether both say the same of some tokens, to the bit."""
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    use_fast_matmul(larger)
    ids = torch.arange(_PROBE, device=model.device)[None] % model.config.vocab_size
    said = []
    for one in (model, larger):
        one.eval()
        with torch.inference_mode():
            said.append(one(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)
    same: bool = torch.equal(*said)
    return same
