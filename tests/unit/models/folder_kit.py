"""Tiny models with their tokenizer, a loader for each role that a model can have, and ways to spoil a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = [f"w{i}" for i in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SIZE = len(SPECIAL) + len(WORDS)
TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9"]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 133\n"


def _classifier(directory: Path) -> Any:
    from w2s_trainer.models.published import load_classifier

    return load_classifier(directory, "the-model").logits(TEXTS, 64, 4096)


def _encoder(directory: Path) -> Any:
    from w2s_trainer.models.encoder import load_encoder

    return load_encoder(directory, "the-model").features(TEXTS, 64, 4096)


def _student(directory: Path) -> Any:
    from w2s_api.methods.tunings import LoRA
    from w2s_trainer.tuning.student import load_student

    return load_student(directory, ["a", "b", "c"], tuning=LoRA(), name="the-model").encoder.features(
        TEXTS, 64, 4096
    )


def _causal(directory: Path) -> Any:
    from w2s_trainer.models.causal import load_causal
    from w2s_trainer.models.layout import layout_of

    model = load_causal(directory, "the-model")
    layout = layout_of(model.tokenizer, "w1 w2", [])
    answers = model.answers(layout, ["w3", "w4"])
    return model.scores(model.prompts(layout, TEXTS, answers), answers, 4096)


ROLES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "classifier": ("bert-classifier", _classifier),
    "encoder": ("bert", _encoder),
    "student of an encoder": ("bert", _student),
    "student of a causal model": ("llama", _student),
    "prompted": ("llama", _causal),
}
"""Which model is good for a role, and what loads it, reads texts and gives what it says of them."""


def save_tokenizer(directory: Path, *, limit: int | None = 64, words: list[str] = WORDS) -> None:
    from tokenizers import Tokenizer, processors
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate([*SPECIAL, *words])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    more = {} if limit is None else {"model_max_length": limit}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **more,
    ).save_pretrained(directory)


def save(kind: str, directory: Path, **settings: Any) -> Path:
    """Writes a model with random weights and its tokenizer; `settings` are those of its config."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    size = {
        "vocab_size": SIZE,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    } | settings
    match kind:
        case "bert":
            model: Any = t.BertModel(t.BertConfig(**size))
        case "bert-classifier":
            model = t.BertForSequenceClassification(t.BertConfig(**size))
        case "bert-masked":
            model = t.BertForMaskedLM(t.BertConfig(**size))
        case "roberta":
            model = t.RobertaModel(t.RobertaConfig(**size))
        case "llama":
            model = t.LlamaForCausalLM(t.LlamaConfig(**size))
        case "gpt2":
            model = t.GPT2LMHeadModel(
                t.GPT2Config(vocab_size=SIZE, n_embd=16, n_layer=2, n_head=2, n_positions=64, pad_token_id=0)
            )
        case "opt":
            model = t.OPTForCausalLM(
                t.OPTConfig(
                    vocab_size=SIZE,
                    hidden_size=16,
                    word_embed_proj_dim=16,
                    ffn_dim=32,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    max_position_embeddings=size["max_position_embeddings"],
                    pad_token_id=0,
                )
            )
        case "t5":
            model = t.T5ForConditionalGeneration(
                t.T5Config(vocab_size=SIZE, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
            )
        case "bart":
            model = t.BartModel(
                t.BartConfig(
                    vocab_size=SIZE,
                    d_model=16,
                    encoder_layers=1,
                    decoder_layers=1,
                    encoder_attention_heads=2,
                    decoder_attention_heads=2,
                    encoder_ffn_dim=32,
                    decoder_ffn_dim=32,
                )
            )
    model.eval().save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def edit_json(path: Path, **values: Any) -> None:
    """Sets values of a JSON file; None removes one."""
    written = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in written.items() if value is not None}))


def edit_weights(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the tensors in model.safetensors."""
    from safetensors.torch import load_file, save_file

    file = directory / "model.safetensors"
    tensors = dict(load_file(file))
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def shard(directory: Path) -> list[Path]:
    """Cuts model.safetensors into two shards with their index."""
    from safetensors.torch import load_file, save_file

    file = directory / "model.safetensors"
    tensors = load_file(file)
    names = sorted(tensors)
    parts = [names[: len(names) // 2], names[len(names) // 2 :]]
    files = [directory / f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for path, part in zip(files, parts, strict=True):
        save_file({name: tensors[name] for name in part}, path, metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": 1},
        "weight_map": {name: path.name for path, part in zip(files, parts, strict=True) for name in part},
    }
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    file.unlink()
    return files
