"""From texts to what a model reads of them: cut by tokens, and counted where nothing is left to read."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.ragged import Ragged

_CHARACTERS = 32
"""So many characters of a text a token are tokenised first: most have hardly more, and of a book one page is enough.
Where they are not (white space, words of any length), more of the text is."""
_CHUNK = 256
"""Texts that are tokenised at once; what the tokenizer says of them takes many times their own room."""
_LEAST_TEXTS = 20
"""Of fewer texts nothing is concluded from none being readable."""
_SHORTEST = 4
"""Tokens that a tokenizer must be able to give: some are its own."""
CAUTION_UNKNOWN = 0.1
"""Share of unknown tokens above which there is a caution."""
_WITHOUT_TABLE = ("gptj", "codegen", "ctrl")
"""They keep their positions in a buffer of the length that their config says."""
_BELONG_TOGETHER = "Save the tokenizer and the weights that belong together."


@dataclass(frozen=True)
class Tokens:
    """What a model reads of n texts."""

    ids: Sequence[list[int]]
    """Token ids of each, special tokens included; at least one."""
    truncated: int
    """Texts that were cut."""
    unreadable: list[int]
    """Places of texts of which nothing is left: no token at all, or unknown ones only."""
    unknown: float
    """Share of unknown tokens among all tokens of the texts."""

    def __len__(self) -> int:
        return len(self.ids)

    def require_some(self, name: str) -> None:
        """Raises BadSpec where a model can read none of many texts."""
        if len(self) >= _LEAST_TEXTS and len(self.unreadable) == len(self):
            raise BadSpec(
                "UnreadableTexts",
                f"{name}: its tokenizer knows no token of any of {len(self):,} texts.",
                "Is it the tokenizer of this model, and a model of the texts' language?",
            )

    def caution(self, name: str) -> str | None:
        """Says what a person must know of what the model could not read; None if it could read all."""
        cautions = []
        if self.unreadable:
            count = len(self.unreadable)
            cautions.append(f"{count:,} of {len(self):,} texts reach {name} empty or without one known token")
        if self.unknown > CAUTION_UNKNOWN:
            cautions.append(
                f"{self.unknown:.0%} of the tokens of the texts are unknown to the tokenizer of {name}"
            )
        return "; ".join(cautions) or None


def tokenize(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> Tokens:
    """Returns the token ids of texts, cut at max_tokens or at what the model can read."""
    limit = min(max_tokens, tokenizer.model_max_length)
    # An empty row has no last token to be read at, and in a batch it would be read at its padding.
    filler = next(
        token
        for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        if token is not None
    )
    unknown, unreadable = _unknown_id(tokenizer), []
    content = of_unknown = truncated = 0

    def read() -> Iterator[list[int]]:
        nonlocal content, of_unknown, truncated
        for start in range(0, len(texts), _CHUNK):
            for row, encoding in enumerate(encode(tokenizer, texts[start : start + _CHUNK], limit), start):
                ids = encoding.ids
                known = len(ids) - sum(encoding.special_tokens_mask)
                missed = 0 if unknown is None else min(ids.count(unknown), known)
                content, of_unknown = content + known, of_unknown + missed
                truncated += bool(encoding.overflowing)
                if known == missed:
                    unreadable.append(row)
                yield ids or [filler]

    return Tokens(Ragged(read()), truncated, unreadable, of_unknown / content if content else 0.0)


def encode(tokenizer: Any, texts: Sequence[str], max_tokens: int, *, special: bool = True) -> list[Any]:
    """Returns encodings of the tokenizers library, cut at max_tokens tokens, however many characters these are.

    Args:
        tokenizer: fast.
        texts: n texts.
        max_tokens: at least 1.
        special: whether the tokenizer adds its own tokens.

    Returns:
        n encodings; `overflowing` is not empty where a text was cut.
    """
    from w2s_trainer.models.loading import quiet

    texts = list(texts)
    encodings: list[Any] = [None] * len(texts)
    rows, characters = list(range(len(texts))), _CHARACTERS * max_tokens
    while rows:
        heads = [texts[row][:characters] for row in rows]
        with quiet():
            encoded = tokenizer(heads, truncation=True, max_length=max_tokens, add_special_tokens=special)
        for row, encoding in zip(rows, encoded.encodings, strict=True):
            encodings[row] = encoding
        rows = [row for row in rows if not encodings[row].overflowing and characters < len(texts[row])]
        characters *= 4
    return encodings


def fit_tokenizer(tokenizer: Any, model: Any, name: str) -> None:
    """Makes a tokenizer cut where the model has no further positions.

    Args:
        tokenizer: changed in place.
        model: the one that reads its tokens.
        name: what a person calls it.

    Raises:
        BadSpec: it gives tokens that the model has no embedding of, or the model reads next to none.
    """
    _check_vocabulary(tokenizer, model, name)
    limit = positions(model)
    if limit is not None:
        _check_limit(
            limit, name, "Correct `max_position_embeddings` in its config.json, or name another model."
        )
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit)


def check_length(tokenizer: Any, name: str) -> None:
    """Refuses a tokenizer whose own limit is no number of tokens, or leaves no room for a text."""
    _check_limit(tokenizer.model_max_length, name, "Correct `model_max_length` in its tokenizer_config.json.")
    tokenizer.model_max_length = int(tokenizer.model_max_length)


def _check_limit(limit: Any, name: str, hint: str) -> None:
    is_number = isinstance(limit, int | float) and not isinstance(limit, bool) and math.isfinite(limit)
    if not is_number or limit < _SHORTEST:
        raise BadSpec(
            "BadTokenizer",
            f"{name}: its limit of {limit!r} tokens is no number, or leaves no room for a text.",
            hint,
        )


def positions(model: Any) -> int | None:
    """Counts the tokens that a model has positions for; None where it computes them (rotary, relative, by bias)."""
    config = model.config.get_text_config()
    declared = getattr(config, "max_position_embeddings", None)
    if config.model_type in _WITHOUT_TABLE:
        return declared
    sizes = []
    for path, module in model.named_modules():
        if path.rpartition(".")[2] not in ("position_embeddings", "embed_positions", "wpe"):
            continue
        weight = getattr(module, "weight", None)
        if weight is None or weight.ndim != 2 or hasattr(module, "make_weights"):  # those grow by themselves
            continue
        # Models of RoBERTa's kind count from the place after the padding token's, those of BART's from 2.
        padding = getattr(module, "padding_idx", None)
        sizes.append(len(weight) - getattr(module, "offset", 0) - (0 if padding is None else padding + 1))
    if not sizes:
        return None
    return min(sizes if declared is None else [*sizes, declared])


def _check_vocabulary(tokenizer: Any, model: Any, name: str) -> None:
    """Tokens that somebody added are let be until a text has one: many models have such that none has."""
    embedding = getattr(model.get_input_embeddings(), "weight", None)
    if embedding is None:
        return
    added = set(tokenizer.added_tokens_decoder)
    own = max((place for place in tokenizer.get_vocab().values() if place not in added), default=0)
    highest = max(own, tokenizer.pad_token_id, *tokenizer("a")["input_ids"])
    if highest >= len(embedding):
        raise BadSpec(
            "VocabularyTooLarge",
            f"{name}: its tokenizer gives tokens up to number {highest:,}, and the model has embeddings of"
            f" {len(embedding):,}: they are of two models, or tokens were added and the embedding was not resized.",
            _BELONG_TOGETHER,
        )
    without_embedding = {
        place: token.content
        for place, token in tokenizer.added_tokens_decoder.items()
        if place >= len(embedding)
    }
    if without_embedding:
        _refuse_when_read(model, without_embedding, name)


def _refuse_when_read(model: Any, tokens: dict[int, str], name: str) -> None:
    """Ends the stage where the model is given one of these tokens: it has no embedding of them."""

    def check(_module: Any, inputs: tuple[Any, ...]) -> None:
        highest = int(inputs[0].max())
        if highest in tokens:
            raise BadSpec(
                "VocabularyTooLarge",
                f"{name}: a text has the token {tokens[highest]!r}, number {highest:,}, of which the model has no"
                " embedding: it was added to the tokenizer, and the embedding was not resized.",
                _BELONG_TOGETHER,
            )

    model.get_input_embeddings().register_forward_pre_hook(check)


def _unknown_id(tokenizer: Any) -> int | None:
    """Returns the token of what is unknown, unless it also has another meaning."""
    unknown: int | None = tokenizer.unk_token_id
    special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return None if unknown in special else unknown
