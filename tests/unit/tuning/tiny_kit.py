"""Models of some thousand random weights with a tokenizer of some words, and texts for them."""

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import numpy as np

from w2s_api.methods import losses
from w2s_api.methods.tunings import LoRA, TuningSettings
from w2s_api.spec import strong

WORDS = [f"w{i}" for i in range(50)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
CLASSES = ["a", "b", "c"]
KINDS = ["bert", "llama", "opt"]
"""An encoder, a causal model, and a causal model whose layers call dropout by a number of their own."""
LORA = LoRA(rank=4, alpha=8)
LOSSES = {
    "CrossEntropy": strong.Loss(),
    "Product": strong.Loss(type="Product", product=losses.Product()),
    "LogConf": strong.Loss.model_validate(
        {"type": "LogConf", "logConf": {"maxWeight": "0.5", "warmupFraction": "0.2"}}
    ),
}


def save_tokenizer(directory: Path, *, ends_in_padding: bool = False) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    ids = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    if ends_in_padding:
        tokenizer.post_processor = TemplateProcessing(single="$A [PAD]", special_tokens=[("[PAD]", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    ).save_pretrained(directory)


def save_tiny(kind: str, directory: Path) -> Path:
    """Writes a tiny pretrained model with random weights and its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    size = {
        "vocab_size": len(SPECIAL) + len(WORDS),
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
    match kind:
        case "bert":
            model: Any = BertModel(
                BertConfig(hidden_size=32, intermediate_size=64, initializer_range=0.3, **size)
            )
        case "llama":
            model = LlamaForCausalLM(
                LlamaConfig(hidden_size=64, intermediate_size=96, initializer_range=0.2, **size)
            )
        case "opt":
            model = OPTForCausalLM(
                OPTConfig(hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, init_std=0.2, **size)
            )
    model.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def some_texts(n: int, seed: int = 0, longest: int = 20) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, longest + 1))) for _ in range(n)]


@dataclass(frozen=True)
class Labels:
    targets: np.ndarray
    weights: np.ndarray


def some_labels(n: int, seed: int = 0) -> Labels:
    """Soft labels and weights that differ."""
    rng = np.random.default_rng([seed, 1])
    return Labels(rng.dirichlet([0.5] * len(CLASSES), n), rng.uniform(0.2, 2.0, n))


def load(directory: Path, tuning: TuningSettings = LORA, *, seed: int = 0, **settings: Any) -> Any:
    """A tunable student that starts from a head fitted on random labels."""
    from w2s_trainer.models.head import fit
    from w2s_trainer.tuning.student import load_student

    student = load_student(directory, CLASSES, tuning=tuning, **settings)
    texts = some_texts(24)
    labels = some_labels(24)
    features, _ = student.encoder.features(texts, 64, 4096)
    student.start_from(fit(features, labels.targets, labels.weights, 0.3), features)
    student.make_tunable(seed)
    return student


class Texts(NamedTuple):
    """Tokens and labels of some texts."""

    tokens: Any
    data: Any


def training_texts(student: Any, n: int, seed: int = 0) -> Texts:
    from w2s_trainer.models.tokens import tokenize
    from w2s_trainer.tuning.training_set import TrainingSet

    labels = some_labels(n, seed)
    tokens = tokenize(student.tokenizer, some_texts(n, seed), 64).ids
    rows = np.arange(n)
    return Texts(tokens, TrainingSet(rows, labels.targets, labels.weights, rows))


def targets_of(loss: str, batch_size: int, texts: Any) -> Any:
    import torch

    from w2s_trainer.tuning.losses import make_targets

    prior = texts.data.weights @ texts.data.targets / texts.data.weights.sum()
    return make_targets(LOSSES[loss].settings, torch.from_numpy(prior).float(), batch_size)


def objective_of(loss: str, batch_size: int, texts: Any) -> Any:
    from w2s_trainer.tuning.class_objective import ClassObjective

    return ClassObjective(*texts, targets_of(loss, batch_size, texts), batch_size)


class Kept:
    """Checkpoints in a directory, as `Checkpoints` are to those who save and find them."""

    def __init__(self, directory: Path) -> None:
        from w2s_trainer.store.checkpoints import Found

        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.all: dict[int, Any] = {}
        for place in directory.glob("*/meta.json"):
            step = int(place.parent.name)
            self.all[step] = Found(step, json.loads(place.read_text()), place.parent)

    def save(self, step: int, directory: Path, meta: Any) -> None:
        from w2s_trainer.store.checkpoints import Found

        place = copytree(directory, self.directory / str(step), dirs_exist_ok=True)
        (place / "meta.json").write_text(json.dumps(meta))
        self.all[step] = Found(step, meta, place)

    def newest(self) -> Any:
        return self.all[max(self.all)] if self.all else None

    def tensors(self, step: int) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.all[step].directory / "state.safetensors")


def keeper_of(kept: Any, staging: Path, *, interval: float = 1e9, found: Any = None, **more: Any) -> Any:
    from w2s_trainer.tuning.keeper import StoreKeeper

    return StoreKeeper(
        kept, found, interval=interval, staging=staging, precision="float32", threads=1, **more
    )
