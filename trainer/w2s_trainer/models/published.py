"""Publishing a tuned model in the Hugging Face layout, and predicting with one."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens, gathered
from w2s_trainer.models.encoder import load_encoder, memory_bound
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.folder import check_folder
from w2s_trainer.models.head import Head
from w2s_trainer.models.labels import check_classifier_config
from w2s_trainer.models.loading import CLASSIFIER, Role, load_config, load_model, load_tokenizer
from w2s_trainer.models.ragged import Ragged, lengths_of
from w2s_trainer.models.tokens import Tokens, fit_tokenizer, tokenize

CODE = Path(__file__).with_name("modeling_w2s.py")
_MEAN = 'register_buffer("mean"'
_LONGEST = 131_072
"""Tokens that are read of a text where neither tokenizer nor model knows a limit."""


def publish_model(
    pretrained: Path,
    head: Head,
    class_names: Sequence[str],
    max_tokens: int,
    directory: Path,
    name: str | None = None,
) -> None:
    """Writes a frozen encoder with its head.

    Args:
        pretrained: the encoder's directory.
        head: on the encoder's features.
        class_names: the K classes in order.
        max_tokens: where texts were cut; the tokenizer will cut there too.
        directory: a new directory.
        name: what a person calls the encoder.
    """
    from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

    encoder = load_encoder(pretrained, name)
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
    name: str
    """What a person calls it."""

    def logits(
        self,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> tuple[NDArray[np.float32], Tokens]:
        """Returns logits float32[N, K] in the order of the texts, finite, and what was read of them.

        Raises:
            BadSpec: it can read none of the texts, or its logits are no numbers.
            OwnFault: memory ran out.
        """
        tokens = self.read(texts, max_tokens)
        batches = self.logits_of(tokens, np.arange(len(texts)), batch_tokens)
        return gathered(batches, len(texts), len(self.labels), np.float32, progress), tokens

    def read(self, texts: Sequence[str], max_tokens: int) -> Tokens:
        """What the model reads of texts; BadSpec where that is nothing of any of many."""
        tokens = tokenize(self.tokenizer, texts, max_tokens)
        tokens.require_some(self.name)
        return tokens

    def logits_of(
        self, tokens: Tokens, rows: NDArray[np.int64], batch_tokens: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Logits of some texts, batch by batch; those of what is left after some batches are the same.

        Args:
            tokens: of n texts.
            rows: which of them, int64[m], ascending.
            batch_tokens: tokens in a batch.

        Yields:
            int64[b], some of the rows, and their logits float32[b, K], finite. Errors as of `logits`.
        """
        import torch

        encoded = tokens.ids
        if self._needs_end:
            encoded = Ragged(self._with_one_end(ids) for ids in encoded)
        with torch.inference_mode(), memory_bound():
            for places in by_tokens(lengths_of(encoded)[rows], batch_tokens):
                batch = self.tokenizer.pad(
                    {"input_ids": [encoded[row] for row in rows[places]]}, return_tensors="pt"
                )
                output = self.model(
                    input_ids=batch["input_ids"].to(self.device),
                    attention_mask=batch["attention_mask"].to(self.device),
                )
                logits = output.logits.float().cpu().numpy()
                check_finite(logits, self.name, "logits", rows[places])
                yield rows[places], logits

    @property
    def _needs_end(self) -> bool:
        """An encoder–decoder is read at the token that ends the text, of which it wants one in each."""
        config = self.model.config
        return getattr(config, "is_encoder_decoder", False) and config.eos_token_id is not None

    def _with_one_end(self, ids: list[int]) -> list[int]:
        end = self.model.config.eos_token_id
        return [*(token for token in ids if token != end), end]

    def probabilities(self, texts: Sequence[str], batch_tokens: int) -> tuple[NDArray[np.float64], Tokens]:
        """Probabilities float64[N, K] of texts, cut where the model can read no further, and what it read."""
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        limit = min(self.tokenizer.model_max_length, context or _LONGEST, _LONGEST)
        logits, tokens = self.logits(texts, limit, batch_tokens)
        return softmax(logits), tokens


def load_classifier(directory: Path, name: str | None = None) -> SequenceClassifier:
    """Loads a sequence classification model; code that came with a model is not run, ours is built in.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model; None: by its directory.

    Raises:
        BadSpec: it is no classifier of one of several classes, or its files are not as they must be.
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    name = name or str(directory)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    check_folder(directory, name)
    labels = check_classifier_config(directory, name)
    config = load_config(directory, name)
    labels = labels or config.id2label
    model = load_model(directory, name, config, _role(directory), dtype).to(device)
    use_fast_matmul(model)
    tokenizer = load_tokenizer(directory, name)
    fit_tokenizer(tokenizer, model, name)
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    return SequenceClassifier(model, tokenizer, [labels[index] for index in sorted(labels)], device, name)


def predict(
    directory: Path, texts: Sequence[str], batch_tokens: int = 8192
) -> tuple[list[str], NDArray[np.float64]]:
    """Class names [K] and probabilities float64[N, K] of texts by a model directory."""
    classifier = load_classifier(directory)
    probabilities, _ = classifier.probabilities(texts, batch_tokens)
    return classifier.labels, probabilities


def _role(directory: Path) -> Role:
    """What was published before features were centred has no mean, and the code beside it knows of none."""
    code = directory / CODE.name
    if code.is_file() and _MEAN not in code.read_text(encoding="utf-8", errors="replace"):
        return replace(CLASSIFIER, may_lack=r"^mean$")
    return CLASSIFIER


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities float64[n, K] of logits float[n, K]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
