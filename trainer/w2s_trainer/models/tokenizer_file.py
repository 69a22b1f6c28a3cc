"""A tokenizer with more tokens, as the file that it is loaded from."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.vocabulary import NewToken, merged_pairs, whole_words

_SPACE = "\u2581"
"""What stands for a space in vocabularies of SentencePiece."""
_WORDS = re.compile(f"{_SPACE}*[^{_SPACE}]+|{_SPACE}+")
KINDS = ("BPE", "WordPiece")
"""Kinds of vocabulary to which tokens can be added."""


def check_extensible(tokenizer: Any, name: str) -> None:
    """Refuses a tokenizer whose kind of vocabulary gets no more tokens here.

    Raises:
        BadSpec: it is of another kind than `KINDS`.
    """
    kind = _plain(tokenizer)["model"].get("type")
    if kind not in KINDS:
        raise BadSpec(
            "CannotBeExtended",
            f"{name}: its tokenizer is of the kind {kind}, to which no tokens can be added here: {' and '.join(KINDS)} can.",
            "Leave the step out, or name another model.",
        )


def find_tokens(tokenizer: Any, texts: Iterable[str], most: int, min_count: int) -> list[NewToken]:
    """The strings of some texts that become tokens: for byte pairs by further merges, for WordPiece whole words.

    Args:
        tokenizer: of transformers, fast, of a kind that `check_extensible` lets pass.
        texts: what is learnt from.
        most: how many tokens.
        min_count: how often a string must occur.
    """
    backend, model = tokenizer.backend_tokenizer, _plain(tokenizer)["model"]
    counts = _word_counts(backend, texts)
    unknown, known = model.get("unk_token"), tokenizer.get_vocab()
    cut = {word: tuple(token.value for token in backend.model.tokenize(word)) for word in sorted(counts)}
    cut = {word: pieces for word, pieces in cut.items() if unknown not in pieces}
    if model["type"] == "WordPiece":
        found = {word: (pieces, counts[word]) for word, pieces in cut.items()}
        return whole_words(found, known, most, min_count)
    by_pieces: Counter[Sequence[str]] = Counter()
    for word, pieces in cut.items():
        by_pieces[pieces] += counts[word]
    return merged_pairs(by_pieces, known, most, min_count, model.get("continuing_subword_prefix") or "")


def extended(tokenizer: Any, tokens: Sequence[NewToken]) -> str:
    """The file `tokenizer.json` of a tokenizer with more tokens, whose numbers follow on those that it has.

    What it has beside its vocabulary, such as special tokens, keeps its numbers: these are written into the vocabulary too, for
    the numbers of tokens that are not in it are counted from its size.
    """
    plain = _plain(tokenizer)
    vocabulary: dict[str, int] = plain["model"]["vocab"]
    for added in plain["added_tokens"]:
        vocabulary.setdefault(added["content"], added["id"])
    for number, new in enumerate(tokens, first_number(tokenizer)):
        vocabulary[new.token] = number
    if plain["model"]["type"] == "BPE":
        plain["model"]["merges"] += [list(new.pair) for new in tokens if new.pair]
    return json.dumps(plain, ensure_ascii=False)


def first_number(tokenizer: Any) -> int:
    """The number of the first token that is added."""
    return int(max(tokenizer.get_vocab().values())) + 1


def _plain(tokenizer: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return plain


def _word_counts(backend: Any, texts: Iterable[str]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        if backend.pre_tokenizer:
            counts.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal))
        else:
            counts.update(_WORDS.findall(normal))
    return counts
