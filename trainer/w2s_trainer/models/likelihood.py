"""How likely given answers are for a causal model, in full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.causal import (
    LOGITS_AT_ONCE,
    TOKENISED_AT_ONCE,
    CausalModel,
    Progress,
    Prompts,
    common,
    divided,
)
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.layouts import Layouts, one_of, part_of
from w2s_trainer.models.ragged import lengths_of

if TYPE_CHECKING:
    import torch

    from w2s_trainer.models.states import States


@dataclass(frozen=True)
class Likelihoods:
    """How likely n answers are."""

    log_likelihood: NDArray[np.float64]
    """float64[n], sums of the log-probabilities of the tokens of each, what ends it included."""
    tokens: NDArray[np.int64]
    """int64[n], how many these are; at least 1."""


def likelihoods(
    model: CausalModel,
    layout: Layout,
    texts: Sequence[str],
    answers: Sequence[str],
    batch_tokens: int,
    progress: Progress = lambda _done, _total: None,
) -> Likelihoods:
    """Returns how likely each of n answers is after the prompt of its text, with what ends it.

    Args:
        model: that is asked.
        layout: of the prompts.
        texts: n texts, cut already.
        answers: n answers, one for each text.
        batch_tokens: tokens in a batch, the shared ones and padding included.
        progress: called with (texts done, n).

    Returns:
        In the order of the texts. It does not depend on the batches.

    Raises:
        BadSpec: a prompt with its answer is longer than the model can read, or its outputs are no numbers.
        OwnFault: memory ran out.
    """
    given = answered(model, layout, texts, answers)
    found, done = np.zeros(len(texts)), 0
    progress(0, len(texts))
    for rows, of_rows in likelihoods_of(model, given, batch_tokens, np.arange(len(texts))):
        found[rows] = of_rows
        done += len(rows)
        progress(done, len(texts))
    return Likelihoods(found, given.tokens)


@dataclass(frozen=True)
class Answered:
    """Token ids of n prompts that are each followed by an answer."""

    sequences: Prompts
    """Each with its answer and what ends it."""
    tokens: NDArray[np.int64]
    """int64[n], how many tokens at the end of each are the answer."""


def answered(model: CausalModel, layout: Layouts, texts: Sequence[str], answers: Sequence[str]) -> Answered:
    """Returns the token ids of prompts and answers, tokenised together.

    Tokens at the end of a prompt that become others when its answer follows are counted to the answer. An answer
    ends with the token that ends its turn (in plain lines: with the layout's `end`), and cannot end its turn
    earlier.
    """
    added = set(model.tokenizer.added_tokens_decoder)
    counts: list[int] = []
    any_one = one_of(layout)  # how token ids are read is the same in all

    def read() -> Iterator[NDArray[np.int32]]:
        for start in range(0, len(texts), TOKENISED_AT_ONCE):
            part = slice(start, start + TOKENISED_AT_ONCE)
            own = part_of(layout, part, len(texts))
            prompts = [one.prompt(text) for one, text in zip(own, texts[part], strict=True)]
            plain = [one.harmless(answer) for one, answer in zip(own, answers[part], strict=True)]
            given = list(zip(own, prompts, plain, strict=True))
            for before, without_end, whole in zip(
                model.ids(any_one, prompts),
                model.ids(any_one, [prompt + one.lead + answer for one, prompt, answer in given]),
                model.ids(any_one, [prompt + one.answer(answer) for one, prompt, answer in given]),
                strict=True,
            ):
                kept = min(common(before, whole), len(whole) - 1)
                answer_ends = max(kept, common(whole, without_end))
                ends = [at + 1 for at in range(answer_ends, len(whole)) if int(whole[at]) in added]
                sequence = whole[: ends[0] if ends else len(whole)]
                counts.append(len(sequence) - kept)
                yield sequence

    sequences = divided(model.ids(any_one, [any_one.prompt("x")])[0], read())
    return Answered(sequences, np.array(counts, dtype=np.int64))


def likelihoods_of(
    model: CausalModel, given: Answered, batch_tokens: int, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The log-likelihoods of some answers, batch by batch; those of what is left after some are the same.

    Args:
        model: that is asked.
        given: n prompts with their answers.
        batch_tokens: tokens in a batch, the shared ones and padding included.
        rows: which of them, int64[m], ascending.

    Yields:
        int64[b], some of the rows, and float64[b]. Errors as of `likelihoods`.
    """
    for batch, logits, targets in logits_of(model, given, batch_tokens, rows):
        of_tokens = logits.gather(2, targets[..., None])[..., 0].double()
        of_tokens -= logits.logsumexp(dim=-1).double()
        counted = np.arange(targets.shape[1]) >= targets.shape[1] - given.tokens[batch][:, None]
        found = np.where(counted, of_tokens.cpu().numpy(), 0.0).sum(axis=1)
        check_finite(found, model.tokenizer.name_or_path, "answers' likelihoods", batch)
        yield batch, found


def logits_of(
    model: CausalModel, given: Answered, batch_tokens: int, rows: NDArray[np.int64]
) -> "Iterator[tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]]":
    """What the model expects where each token of some answers comes, batch by batch; arguments as of `likelihoods_of`.

    Yields:
        int64[b], some of the rows; logits float32[b, a, V] and the tokens that came there, int64[b, a]. Of an answer of
        t tokens the last t of the a places count.
    """
    import torch

    from w2s_trainer.models.states import shared_states

    if not len(rows):
        return
    lengths = lengths_of(given.sequences.rests)
    longest = len(given.sequences.shared) + int(lengths.max())
    _require_room(model, longest)
    with torch.inference_mode(), memory_bound():
        # An answer's first token is given by the one before it, which is read with it.
        states = None
        if (given.tokens < lengths).all():
            states = shared_states(model.model, model.tensor([given.sequences.shared]), longest)
        for batch in _batches(model, given, rows, batch_tokens, one_length=states is None):
            logits, targets = (
                _in_full(model, given, batch) if states is None else _from_states(states, model, given, batch)
            )
            yield batch, logits, targets


def _require_room(model: CausalModel, longest: int) -> None:
    if model.context is not None and longest > model.context:
        raise BadSpec(
            "PromptTooLong",
            f"A prompt for {model.tokenizer.name_or_path} has {longest:,} tokens with its answer, the model reads"
            f" {model.context:,}.",
            "Lower the labeler's `shots` or its `maxTokens`, or leave out answers of such a length.",
        )


def _batches(
    model: CausalModel, given: Answered, rows: NDArray[np.int64], batch_tokens: int, *, one_length: bool
) -> Iterator[NDArray[np.int64]]:
    """Some of the rows, longest first; of one length, where padding cannot be hidden from a model."""
    lengths = lengths_of(given.sequences.rests)[rows]
    # So many tokens of each are given logits, whichever bound is reached first.
    logits = (given.tokens.max() + 1) * model.vocabulary
    whole = np.maximum(len(given.sequences.shared) + lengths, -(-batch_tokens * logits // LOGITS_AT_ONCE))
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)[::-1]]
    for group in groups if one_length else [np.arange(len(rows))]:
        for places in by_tokens(whole[group], batch_tokens):
            yield rows[group[places]]


def _from_states(
    states: "States", model: CausalModel, given: Answered, batch: NDArray[np.int64]
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Logits, float[b, a, V], and the tokens that came there, int64[b, a], of the last a places."""
    from w2s_trainer.models.states import cache_from, last_logits

    shared, rests = len(given.sequences.shared), [given.sequences.rests[row] for row in batch]
    width = max(len(rest) for rest in rests)
    pads = np.array([width - len(rest) for rest in rests])
    ids = np.zeros((len(rests), width), dtype=np.int64)
    for line, rest in enumerate(rests):
        ids[line, pads[line] :] = rest
    mask = np.ones((len(rests), shared + width), dtype=np.int64)
    mask[:, shared:] = np.arange(width) >= pads[:, None]
    most = int(given.tokens[batch].max())
    output = model.model(
        input_ids=model.tensor(ids),
        attention_mask=model.tensor(mask),
        position_ids=model.tensor(shared + np.maximum(np.arange(width) - pads[:, None], 0)),
        past_key_values=cache_from(
            [(k.expand(len(rests), -1, -1, -1), v.expand(len(rests), -1, -1, -1)) for k, v in states]
        ),
        use_cache=True,
        **last_logits(model.model, most + 1),
    )
    return output.logits[:, -most - 1 : -1].float(), model.tensor(ids[:, -most:])


def _in_full(
    model: CausalModel, given: Answered, batch: NDArray[np.int64]
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """As `_from_states`, of sequences of one length that are read from their first token on."""
    from w2s_trainer.models.states import last_logits

    ids = np.array([[*given.sequences.shared, *given.sequences.rests[row]] for row in batch])
    most = int(given.tokens[batch].max())
    output = model.model(input_ids=model.tensor(ids), use_cache=False, **last_logits(model.model, most + 1))
    return output.logits[:, -most - 1 : -1].float(), model.tensor(ids[:, -most:])
