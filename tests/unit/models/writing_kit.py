"""Tiny causal models of many kinds, random weights, with a tokenizer of some words."""

from typing import Any

from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.layout import FREE_TEXT, layout_of

WORDS = [f"w{i}" for i in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[EOS]"]
LABELS = ["Text:", "Answer:"]
VOCABULARY = len(SPECIAL) + len(WORDS) + len(LABELS)
CONTEXT = 96
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 2,
    "tie_word_embeddings": False,  # or they repeat what they read last
}
GEMMA = {**SMALL, "head_dim": 8}
GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": CONTEXT,
    "tie_word_embeddings": False,
}
BARE = {"vocab_size": VOCABULARY, "hidden_size": 32, "eos_token_id": 2, "tie_word_embeddings": False}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", SMALL),
    "gpt2": ("GPT2Config", {**GPT2, "bos_token_id": 2, "eos_token_id": 2}),
    "a window as long as the prompt": ("Gemma3TextConfig", {**GEMMA, "sliding_window": 90}),
    "a short window": ("Gemma3TextConfig", {**GEMMA, "sliding_window": 12}),
    "positions by bias": (
        "BloomConfig",
        {**BARE, "n_layer": 2, "n_head": 4},
    ),
    "recurrent": (
        "MambaConfig",
        {**BARE, "num_hidden_layers": 2, "state_size": 8},
    ),
}
"""Positions that are turned, read from a table, added to the attention; windows; no attention at all."""
SHARED = ["llama", "gpt2", "a window as long as the prompt"]
"""Those that go on from what all prompts begin with."""


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        WordLevel({w: i for i, w in enumerate([*SPECIAL, *WORDS, *LABELS])}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    )
    fast.name_or_path = "tiny"
    return fast


def tiny_model(kind: str = "llama", seed: int = 0, std: float = 0.3) -> CausalModel:
    import torch
    import transformers

    config, settings = KINDS[kind]
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, config)(**settings)).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=std)
    return CausalModel(model, tiny_tokenizer(), "cpu")


def tiny_layout(model: CausalModel) -> Any:
    """Plain lines that all prompts begin with nine tokens of: the instruction and the label of the text."""
    return layout_of(model.tokenizer, "w1 w2 w3 w4 w5 w6 w7 w8", [], FREE_TEXT)


def ids_of(model: CausalModel, layout: Any, text: str) -> list[int]:
    """The prompt of a text, read by itself."""
    ids: list[int] = model.tokenizer(layout.prompt(text), add_special_tokens=False)["input_ids"]
    return ids
