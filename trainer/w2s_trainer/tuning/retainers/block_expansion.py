"""Retainer `BlockExpansion`: new blocks, which put out nothing at first, alone are tuned (Wu et al. 2024, arXiv 2401.02415)."""

from w2s_api.methods.retainers import BlockExpansion
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.expansion import expanded
from w2s_trainer.tuning.language_model import LanguageModel, blocks_of


def retain(model: LanguageModel, settings: BlockExpansion) -> None:
    """Puts the larger model in the place of the model; nothing is added to the loss.

    Raises:
        BadSpec: it has fewer blocks than are to be added, or is of a kind to which none can be added.
    """
    blocks = blocks_of(model.inner)
    if settings.blocks > len(blocks):
        raise BadSpec(
            "TooManyBlocks",
            f"`retain.blockExpansion.blocks` is {settings.blocks:,}, and {type(model.inner).__name__} has {len(blocks):,}"
            " blocks.",
            f"Set it to {len(blocks):,} at most.",
        )
    (prefix,) = (name for name, module in model.model.named_modules() if module is blocks)
    saves_memory = any(getattr(module, "gradient_checkpointing", False) for module in model.model.modules())
    model.model, model.added_blocks = expanded(model.model, prefix, settings.blocks)
    if saves_memory:
        model.model.gradient_checkpointing_enable({"use_reentrant": False})
