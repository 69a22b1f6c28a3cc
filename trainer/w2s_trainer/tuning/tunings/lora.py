"""Tuning `LoRA`: low-rank adapters beside the frozen weights (Hu et al. 2021), by peft."""

from typing import TYPE_CHECKING, Any

from w2s_api.methods.tunings import LoRA
from w2s_trainer.errors import BadSpec

if TYPE_CHECKING:
    import torch

QUERIES_AND_VALUES = frozenset(
    ["q_proj", "v_proj", "q_lin", "v_lin", "query", "value", "qkv_proj", "Wqkv", "c_attn", "query_key_value"]
)
"""What the layers of queries and values are called in the models of transformers."""


def make_tunable(
    model: Any, settings: LoRA, *, head: str, has_new_head: bool, dropout: float, seed: int
) -> Any:
    """Puts adapters beside the layers; they change nothing yet. A pretrained head stays what it is.

    Raises:
        BadSpec: no layer is one of `targets`.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    torch.manual_seed(seed)
    kind = TaskType.SEQ_CLS
    if not has_new_head:
        kind = (
            TaskType.CAUSAL_LM if model.can_generate() else None
        )  # an encoder that fills in tokens has no name
    config = LoraConfig(
        task_type=kind,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=dropout,
        target_modules=adapter_targets(model, settings.targets, head),
        modules_to_save=[head] if has_new_head else None,
    )
    return get_peft_model(model, config)


def interpolated(name: str, base: "torch.Tensor", tuned: "torch.Tensor", share: float) -> "torch.Tensor":
    """Adapters change a weight by B A, and B was 0: that change is multiplied where B is."""
    del base
    return tuned * share if ".lora_B." in name else tuned


def adapter_targets(model: Any, targets: str, head: str) -> list[str]:
    """Names of the layers that get adapters.

    Args:
        model: of transformers.
        targets: `AllLinear` or `Attention`.
        head: the name of the head, which gets none.

    Raises:
        BadSpec: there are none.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and name != head and ".pooler." not in name
    ]
    chosen = [name for name in linear if targets == "AllLinear" or name.split(".")[-1] in QUERIES_AND_VALUES]
    if not chosen:
        raise BadSpec(
            "NoAdapterTargets",
            f"No layer of {type(model).__name__} is known to be one of queries or values.",
            "Write `targets: AllLinear`.",
        )
    return chosen
