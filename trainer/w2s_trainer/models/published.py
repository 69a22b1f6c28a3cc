"""Publishing a tuned model in the Hugging Face layout, and predicting with one."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.encoder import load_encoder, load_tokenizer, memory_bound, quiet, tokenize
from w2s_trainer.models.head import Head

CODE = Path(__file__).with_name("modeling_w2s.py")


def publish_model(
    pretrained: Path, head: Head, class_names: Sequence[str], max_tokens: int, directory: Path
) -> None:
    """Writes a frozen encoder with its head.

    Args:
        pretrained: the encoder's directory.
        head: on the encoder's features.
        class_names: the K classes in order.
        max_tokens: where texts were cut; the tokenizer will cut there too.
        directory: a new directory.
    """
    from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

    encoder = load_encoder(pretrained)
    model = W2SForSequenceClassification.from_encoder(encoder.model, class_names, encoder.pooling)
    model.set_head(head)
    write_model(model, encoder.tokenizer, max_tokens, directory)


def write_model(model: Any, tokenizer: Any, max_tokens: int, directory: Path) -> None:
    """Writes a tuned model: safetensors, config and tokenizer.

    Args:
        model: with its head, of our class or a stock one.
        tokenizer: its own.
        max_tokens: where texts were cut; the tokenizer will cut there too.
        directory: a new directory.
    """
    write_weights(model, directory)
    write_tokenizer(tokenizer, max_tokens, directory)


def write_weights(model: Any, directory: Path) -> None:
    """Writes safetensors and config, and the modeling code where the class is ours."""
    model.save_pretrained(directory)
    if model.config.model_type != "w2s":
        return
    shutil.copyfile(CODE, directory / CODE.name)
    place = directory / "config.json"
    written = json.loads(place.read_text())
    written["architectures"] = ["W2SForSequenceClassification"]
    written["auto_map"] = {
        "AutoConfig": f"{CODE.stem}.W2SConfig",
        "AutoModelForSequenceClassification": f"{CODE.stem}.W2SForSequenceClassification",
    }
    place.write_text(json.dumps(written, indent=1))


def write_tokenizer(tokenizer: Any, max_tokens: int, directory: Path) -> None:
    """Writes a tokenizer that cuts at max_tokens, if it did not cut before."""
    tokenizer.model_max_length = min(max_tokens, tokenizer.model_max_length)
    tokenizer.save_pretrained(directory)


@dataclass(frozen=True)
class SequenceClassifier:
    """A fine-tuned sequence classification model, ours or any other."""

    model: Any
    tokenizer: Any
    labels: list[str]
    """The model's own names of its K classes, in the order of its logits."""
    device: str

    def logits(
        self,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> tuple[NDArray[np.float32], int]:
        """Logits float32[N, K] in the order of the texts, and how many texts were cut at max_tokens."""
        import torch

        encoded, truncated = tokenize(self.tokenizer, texts, max_tokens)
        found = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        done = 0
        progress(0, len(texts))
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens([len(ids) for ids in encoded], batch_tokens):
                batch = self.tokenizer.pad({"input_ids": [encoded[row] for row in rows]}, return_tensors="pt")
                output = self.model(
                    input_ids=batch["input_ids"].to(self.device),
                    attention_mask=batch["attention_mask"].to(self.device),
                )
                found[rows] = output.logits.float().cpu().numpy()
                done += len(rows)
                progress(done, len(texts))
        return found, truncated


def load_classifier(directory: Path) -> SequenceClassifier:
    """Loads a sequence classification model; code that came with a model is not run, ours is built in."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from w2s_trainer.models.modeling_w2s import W2SConfig, W2SForSequenceClassification
    from w2s_trainer.models.products import use_fast_products

    AutoConfig.register("w2s", W2SConfig, exist_ok=True)
    ours = json.loads((directory / "config.json").read_text()).get("model_type") == "w2s"
    loader = W2SForSequenceClassification if ours else AutoModelForSequenceClassification
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with quiet():
        model = loader.from_pretrained(directory, dtype=dtype).eval().to(device)
    use_fast_products(model)
    names = model.config.id2label
    tokenizer = load_tokenizer(directory)
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    return SequenceClassifier(model, tokenizer, [names[index] for index in sorted(names)], device)


def predict(
    directory: Path, texts: Sequence[str], batch_tokens: int = 8192
) -> tuple[list[str], NDArray[np.float64]]:
    """Class names [K] and probabilities float64[N, K] of texts by a model directory."""
    classifier = load_classifier(directory)
    logits, _ = classifier.logits(texts, classifier.tokenizer.model_max_length, batch_tokens)
    return classifier.labels, softmax(logits)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities float64[n, K] of logits float[n, K]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
