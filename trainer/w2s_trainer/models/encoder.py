"""A frozen pretrained model as a text encoder: one vector per text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import OwnFault
from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.loading import BODY, load_config, load_model, load_tokenizer
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.models.tokens import Tokens, fit_tokenizer, tokenize

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "last"]
"""Heads on a frozen model read the mean of its token states, of causal models too; a causal model that is tuned with its
head is read at the last token, as stock classes do it."""


@dataclass(frozen=True)
class Encoder:
    """A frozen model with its tokenizer."""

    model: Any
    tokenizer: Any
    pooling: Pooling
    device: str
    name: str = "the model"
    """What a person calls it."""

    def features(
        self,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> tuple[NDArray[np.float32], Tokens]:
        """Returns the features of texts, in their order. They do not depend on the batches.

        Args:
            texts: N texts.
            max_tokens: texts are cut there.
            batch_tokens: tokens in a batch, padding included.
            progress: called with (texts done, N).

        Returns:
            float32[N, d], finite, and what was read of the texts.

        Raises:
            BadSpec: it can read none of the texts, or its features are no numbers.
            OwnFault: memory ran out.
        """
        import torch

        tokens = tokenize(self.tokenizer, texts, max_tokens)
        tokens.require_some(self.name)
        encoded = tokens.ids
        features: NDArray[np.float32] | None = None
        done = 0
        progress(0, len(texts))
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens(lengths_of(encoded), batch_tokens):
                batch = self.tokenizer.pad({"input_ids": [encoded[row] for row in rows]}, return_tensors="pt")
                ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
                hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
                pooled = pool(hidden, mask, self.pooling).float().cpu().numpy()
                check_finite(pooled, self.name, "features", rows)
                if features is None:
                    features = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
                features[rows] = pooled
                done += len(rows)
                progress(done, len(texts))
        if features is None:
            features = np.empty((0, self.model.config.hidden_size), dtype=np.float32)
        return features, tokens


def load_encoder(directory: Path, name: str | None = None) -> Encoder:
    """Loads a model directory: float32 on CPU, bfloat16 on CUDA.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model; None: by its directory.

    Raises:
        BadSpec: a file is not as it must be, or weights are not those of the model (`models.loading`).
    """
    import torch

    from w2s_trainer.models.matmul import use_fast_matmul

    name = name or str(directory)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    config = load_config(directory, name)
    model = load_model(directory, name, config, BODY, dtype).to(device)
    use_fast_matmul(model)
    tokenizer = load_tokenizer(directory, name)
    fit_tokenizer(tokenizer, model, name)
    return Encoder(model, tokenizer, "mean", device, name)


def pooling_of(config: Any) -> Pooling:
    """How a model is read that is tuned with its head, by its kind."""
    causal = getattr(config, "is_decoder", False) or any(
        name.endswith(("ForCausalLM", "LMHeadModel")) for name in config.architectures or []
    )
    return "last" if causal else "mean"


def pool(hidden: "torch.Tensor", mask: "torch.Tensor", pooling: Pooling) -> "torch.Tensor":
    """One vector a text from its token states.

    Args:
        hidden: float[b, t, d].
        mask: int[b, t], 1 where there is a token; padded on the right.
        pooling: mean over the tokens, or the last of them.

    Returns:
        float[b, d].
    """
    import torch

    if pooling == "last":
        last = mask.sum(dim=1) - 1
        return hidden[torch.arange(len(hidden), device=hidden.device), last]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class memory_bound:
    """Says which setting to lower where memory runs out."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import torch

        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
            isinstance(error, RuntimeError) and "not enough memory" in str(error)
        ):
            raise OwnFault(
                "OutOfMemory",
                "Memory ran out while the model was reading texts.",
                "Lower its `batchTokens`; if that is small already, its `maxTokens`.",
            ) from error
