"""The plain transformers loops that we are held against, as a good engineer writes them.

Training: texts tokenised once and cut; DataLoader with shuffle, batches of 32, DataCollatorWithPadding (each batch
is padded to its longest text); AdamW, linear schedule with warm-up, gradients clipped at 1; peft LoRA around
`AutoModelForSequenceClassification`, or for an encoder around the mean-pooled module that we publish.
Labelling: texts in the order in which they come, tokenised and padded batch by batch, `torch.inference_mode()`.
Generating: prompts in the order in which they come, 16 at a time, padded on the left to the longest of the batch,
`model.generate`, greedy, which stops when the last text of a batch has ended.
All again with texts sorted by their length, which many do not take the trouble to do.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    get_linear_schedule_with_warmup,
)

from w2s_trainer.models.encoder import pooling_of
from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

BATCH = 32
SORTED_TOGETHER = 50
"""Batches in whose texts the sorted loop sorts by length, as transformers' LengthGroupedSampler does."""


def load(directory: Path, classes: Sequence[str]) -> Any:
    """A model with a head, in float32, without dropout (ours has none by default either), and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="right")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    inner = AutoModel.from_pretrained(directory, dtype=torch.float32)
    if pooling_of(inner.config) == "mean":
        model: Any = W2SForSequenceClassification.from_encoder(inner, classes, "mean")
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, num_labels=len(classes), pad_token_id=tokenizer.pad_token_id
        )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.use_cache = False
    return model, tokenizer


def with_lora(model: Any, rank: int, alpha: int, targets: list[str], head: str) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules=targets,
            modules_to_save=[head],
        ),
    ).train()


def batches(
    tokens: Sequence[Sequence[int]], labels: np.ndarray, tokenizer: Any, *, by_length: bool, seed: int
) -> DataLoader:
    """One epoch of padded batches."""
    rows = [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": label}
        for ids, label in zip(tokens, labels.astype(np.float32).tolist(), strict=True)
    ]
    collate = DataCollatorWithPadding(tokenizer)
    torch.manual_seed(seed)
    if not by_length:
        return DataLoader(rows, batch_size=BATCH, shuffle=True, collate_fn=collate)
    order = torch.randperm(len(rows)).tolist()
    together = SORTED_TOGETHER * BATCH
    grouped = [
        row
        for start in range(0, len(order), together)
        for row in sorted(order[start : start + together], key=lambda row: -len(tokens[row]))
    ]
    cuts = [grouped[start : start + BATCH] for start in range(0, len(grouped), BATCH)]
    return DataLoader(rows, batch_sampler=cuts, collate_fn=collate)


def train(model: Any, loader: Any, steps: int, rate: float, *, bfloat16: bool = False) -> list[float]:
    """One epoch; the mean loss of each step."""
    tuned = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, int(0.1 * steps), steps)
    losses = []
    for batch in loader:
        labels = batch.pop("labels")
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
            logits = model(**batch).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


@torch.inference_mode()
def label(
    model: Any, tokenizer: Any, texts: Sequence[str], max_tokens: int, batch: int, *, by_length: bool
) -> np.ndarray:
    """Class probabilities float32[n, K], in the order of the texts."""
    order = list(range(len(texts)))
    if by_length:
        order.sort(key=lambda row: -len(texts[row]))
    found: list[torch.Tensor] = []
    for start in range(0, len(order), batch):
        part = [texts[row] for row in order[start : start + batch]]
        inputs = tokenizer(part, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
        found.append(torch.softmax(model(**inputs).logits, dim=1))
    stacked = torch.cat(found).numpy()
    probabilities = np.empty_like(stacked)
    probabilities[order] = stacked
    return probabilities


def load_causal(directory: Path) -> Any:
    """A causal model in float32, and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval(), tokenizer


@torch.inference_mode()
def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], new: int, batch: int, *, by_length: bool
) -> list[str]:
    """What the model writes after prompts, at most `new` tokens, in the order of the prompts."""
    order = list(range(len(prompts)))
    if by_length:
        order.sort(key=lambda row: -len(prompts[row]))
    found = [""] * len(prompts)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        inputs = tokenizer(
            [prompts[row] for row in rows], padding=True, add_special_tokens=False, return_tensors="pt"
        )
        tokens = model.generate(**inputs, max_new_tokens=new, do_sample=False)
        decoded = tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for row, text in zip(rows, decoded, strict=True):
            found[row] = text
    return found
