"""Prompts and what should follow each, as token ids: what a student that writes is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadData
from w2s_trainer.models.ragged import Ragged, lengths_of

_CHUNK = 256
"""Prompts that are tokenised at once."""
_HINT = (
    "Lower `maxTokens` of what is read of a text, leave such targets out, or name a model that reads more."
)


@dataclass(frozen=True)
class Completions:
    """Token ids of n prompts, each of at least one token, and of their completions, likewise."""

    prompts: Sequence[Sequence[int]]
    completions: Sequence[Sequence[int]]
    """Each with the token that ends it."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens that are read of each, int64[n]: all but the last, after which nothing is predicted."""
        return lengths_of(self.prompts) + lengths_of(self.completions) - 1


def tokenize_completions(
    tokenizer: Any, prompts: Sequence[str], completions: Sequence[str], *, context: int | None
) -> Completions:
    """Token ids of prompts and their completions.

    A prompt's tokens are those that it has when nothing follows, since that is what the model reads when it is asked. A
    completion's are those that it adds to its prompt; where the tokenizer would join the two across their border,
    those of the completion by itself.

    Args:
        tokenizer: of the model.
        prompts: n prompts as a model reads them, templates and their special tokens included; none is empty.
        completions: n completions, each with what ends it.
        context: tokens that the model can read; None: any number.

    Raises:
        BadData: a completion has no token, or one is longer, with its prompt, than the model can read.
    """
    ids = Completions(Ragged(_in_chunks(tokenizer, prompts)), Ragged(_added(tokenizer, prompts, completions)))
    if empty := np.flatnonzero(lengths_of(ids.completions) == 0).tolist():
        raise BadData(
            "EmptyTarget",
            f"{len(empty):,} of {len(prompts):,} texts that a model is trained on have an empty target,"
            f" the first of them number {empty[0] + 1:,}.",
            "Leave them out: who has no answer abstains.",
        )
    longest = ids.lengths + 1
    if context is not None and (longest > context).any():
        worst = int(longest.argmax())
        raise BadData(
            "TargetTooLong",
            f"{int((longest > context).sum()):,} of {len(prompts):,} texts are longer, with their targets, than the"
            f" {context:,} tokens that the model reads; the longest, number {worst + 1:,}, has"
            f" {len(ids.prompts[worst]):,} tokens and its target {len(ids.completions[worst]):,}.",
            _HINT,
        )
    return ids


def _added(tokenizer: Any, prompts: Sequence[str], completions: Sequence[str]) -> "list[list[int]]":
    """What each completion adds to its prompt."""
    whole = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    added = []
    for before, after, alone in zip(
        _in_chunks(tokenizer, prompts),
        _in_chunks(tokenizer, whole),
        _in_chunks(tokenizer, completions),
        strict=True,
    ):
        added.append(after[len(before) :] if after[: len(before)] == before else alone)
    return added


def _in_chunks(tokenizer: Any, strings: Sequence[str]) -> "Any":
    from w2s_trainer.models.loading import quiet

    for start in range(0, len(strings), _CHUNK):
        with quiet():
            encoded = tokenizer(list(strings[start : start + _CHUNK]), add_special_tokens=False)["input_ids"]
        yield from encoded
