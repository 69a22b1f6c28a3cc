"""Tiny models with the output layer of their pretraining."""

from pathlib import Path

import torch
from tiny_kit import save_tiny


def save(kind: str, directory: Path, **special: str) -> Path:
    """A tiny model with its output layer, whose tokenizer has these special tokens."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    save_tiny(kind, directory)
    if kind == "bert":
        torch.manual_seed(0)
        config = BertConfig.from_pretrained(directory)
        BertForMaskedLM(config).save_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    for name, token in special.items():
        setattr(tokenizer, name, token)
    tokenizer.save_pretrained(directory)
    return directory
