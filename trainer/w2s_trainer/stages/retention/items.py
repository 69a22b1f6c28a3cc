"""What is asked of a model about general texts: the same tokens of the same texts, whoever is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.retention import LEAST_TEXTS, Retention
from w2s_trainer.models.tokens import encode
from w2s_trainer.stages.retention.texts import digest_of, too_few
from w2s_trainer.tuning.blocks import Asked
from w2s_trainer.tuning.language_model import LanguageModel

MASK_FRACTION = 0.15
"""Share of an item's tokens that an encoder fills in (Devlin et al. 2019, 3.1)."""
LEAST_TOKENS = 2
"""Of one token nothing can be asked that stands before or after it."""
_CHUNK = 256


@dataclass(frozen=True)
class Item:
    """One text, as both models are asked about it."""

    digest: str
    """sha256 of the text."""
    asked: Asked
    bytes: int
    """Of UTF-8 that the tokens asked for stand for."""
    causal: bool


def items_of(model: LanguageModel, texts: Sequence[str], settings: Retention) -> tuple[list[Item], int]:
    """The items of some texts, and how many texts were too short.

    What an encoder is to fill in depends on the text alone: texts that are added or left out change no other item.

    Args:
        model: its tokenizer and kind decide what is asked.
        texts: each once.
        settings: say where a text is cut, and which texts these are.

    Raises:
        BadData: fewer items are left than are needed.
        BadSpec: an encoder whose tokenizer has no token for what is hidden.
    """
    frame, tokenizer = model.frame, model.tokenizer
    around = len(frame.before) + (0 if model.causal else len(frame.after))
    room = min(settings.max_tokens, int(tokenizer.model_max_length)) - around
    question = None if model.causal else model.question(MASK_FRACTION, tokenizer.name_or_path)
    items, too_short = [], 0
    for start in range(0, len(texts), _CHUNK):
        part = texts[start : start + _CHUNK]
        for text, encoding in zip(part, encode(tokenizer, part, room, special=False), strict=True):
            if len(encoding.ids) < LEAST_TOKENS:
                too_short += 1
                continue
            sizes = _sizes(text, [end for _, end in encoding.offsets])
            digest = digest_of(text)
            if question is None:
                first = max(1, len(frame.before))
                ids = np.array([*frame.before, *encoding.ids], dtype=np.int64)
                asked = Asked(ids[:-1], np.arange(first - 1, len(ids) - 1), ids[first:])
                counted = sizes[first - len(frame.before) :]
            else:
                ids = np.array([*frame.before, *encoding.ids, *frame.after], dtype=np.int64)
                asked = question.ask(ids, np.random.default_rng(int(digest[:16], 16)))
                inside = asked.places - len(frame.before)
                counted = sizes[inside[(inside >= 0) & (inside < len(sizes))]]
            items.append(Item(digest, asked, int(counted.sum()), model.causal))
    if len(items) < LEAST_TEXTS:
        raise too_few(settings.texts.uri, len(items), f"of {LEAST_TOKENS} tokens or more")
    return items, too_short


def _sizes(text: str, ends: Sequence[int]) -> NDArray[np.int64]:
    """Bytes of UTF-8 that each token stands for, what lies between it and the token before included: int64[t]."""
    reached, sizes = 0, []
    for end in ends:
        sizes.append(len(text[reached:end].encode(errors="surrogatepass")) if end > reached else 0)
        reached = max(reached, end)
    return np.array(sizes, dtype=np.int64)
