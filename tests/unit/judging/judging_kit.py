"""Judges of random weights that read bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from test_layout import CHAT, tokenizer_of

from w2s_api.spec.task import Task
from w2s_trainer.models.causal import CausalModel

TASK = Task.model_validate({"type": "Generation", "instruction": "Name the city.", "generation": {}})
CHATS = {"plain lines": None, "a chat": CHAT}


def judge_of(template: str | None = None, context: int = 1024, **more: Any) -> CausalModel:
    """A model of two small layers."""
    import torch
    import transformers

    tokenizer = tokenizer_of(template, **more)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=context,
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return CausalModel(model, tokenizer, "cpu")


def next_bytes(model: CausalModel, prompt: str, options: tuple[str, ...]) -> NDArray[np.float64]:
    """Probabilities of one-byte options right after a prompt, by one full pass."""
    import torch

    ids = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids])).logits[0, -1].double()
    of = [model.tokenizer(option, add_special_tokens=False)["input_ids"] for option in options]
    assert all(len(one) == 1 for one in of)
    return np.array([float(logits.softmax(dim=-1)[one[0]]) for one in of])
