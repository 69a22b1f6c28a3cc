"""A frozen pretrained model as a text encoder: one vector a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.models.batches import by_tokens

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "last"]
"""Encoders are mean-pooled over their tokens; causal models are read at the last token."""


@dataclass(frozen=True)
class Encoder:
    """A frozen model with its tokenizer."""

    model: Any
    tokenizer: Any
    pooling: Pooling
    device: str

    def features(
        self,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> tuple[NDArray[np.float32], int]:
        """Features of texts, in their order. They do not depend on the batches.

        Args:
            texts: N texts.
            max_tokens: texts are cut there.
            batch_tokens: tokens in a batch, padding included.
            progress: called with (texts done, N).

        Returns:
            float32[N, d] and the number of texts that were cut.

        Raises:
            OwnFault: memory ran out.
        """
        import torch

        encoded, truncated = tokenize(self.tokenizer, texts, max_tokens)
        found: NDArray[np.float32] | None = None
        done = 0
        progress(0, len(texts))
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens([len(ids) for ids in encoded], batch_tokens):
                batch = self.tokenizer.pad({"input_ids": [encoded[row] for row in rows]}, return_tensors="pt")
                ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
                hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
                pooled = pool(hidden, mask, self.pooling).float().cpu().numpy()
                if found is None:
                    found = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
                found[rows] = pooled
                done += len(rows)
                progress(done, len(texts))
        if found is None:
            found = np.empty((0, self.model.config.hidden_size), dtype=np.float32)
        return found, truncated


def load_encoder(directory: Path) -> Encoder:
    """Loads a model directory: float32 on CPU, bfloat16 on CUDA."""
    import torch
    from transformers import AutoConfig, AutoModel

    from w2s_trainer.models.products import use_fast_products

    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = AutoConfig.from_pretrained(directory)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with quiet():
        model = AutoModel.from_pretrained(directory, dtype=dtype).eval().to(device)
    use_fast_products(model)
    return Encoder(model, load_tokenizer(directory), pooling_of(config), device)


def load_tokenizer(directory: Path) -> Any:
    """Loads a tokenizer that pads on the right, with the end of text where it has no padding token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise BadSpec(
            "NoPaddingToken",
            f"{directory.name}: its tokenizer has neither a padding nor an end token.",
            "Add a `pad_token` to its tokenizer_config.json.",
        )
    tokenizer.padding_side = "right"
    return tokenizer


def pooling_of(config: Any) -> Pooling:
    """How a model is read, by its kind."""
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


def tokenize(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> tuple[list[list[int]], int]:
    """Token ids of texts, cut at max_tokens or at what the model can read, and how many were cut."""
    limit = min(max_tokens, tokenizer.model_max_length)
    # A word piece has at least one character, so that what is cut off here could not have been read anyway;
    # without it a book is tokenised for its first page.
    heads = [text[: 32 * limit] for text in texts]
    if not heads:
        return [], 0
    with quiet():
        encoded = tokenizer(heads, truncation=True, max_length=limit)
    return encoded["input_ids"], sum(bool(encoding.overflowing) for encoding in encoded.encodings)


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


class quiet:
    """Keeps the library's advice on loading and lengths off the console: the stage says what matters."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._before = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._before)
