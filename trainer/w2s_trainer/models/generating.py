"""Texts that a causal model writes after prompts, each with its log-likelihood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.causal import CausalModel, Progress, Prompts
from w2s_trainer.models.decoding import Chooser, Decoding, Drafts, ends_of
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.layouts import Layouts, one_of
from w2s_trainer.models.loading import quiet
from w2s_trainer.models.ragged import lengths_of

if TYPE_CHECKING:
    import torch

    from w2s_trainer.models.states import Room, States

_READ_AT_ONCE = 512
"""Tokens of prompts in one pass: a smaller one is little slower (docs/performance.md), and prompts in it are nearer
to each other in length, so that there is less padding."""


@dataclass(frozen=True)
class Written:
    """What a model wrote after n prompts: as many texts as samples after each. Arrays are [n, samples]."""

    texts: NDArray[np.object_]
    """Strings, without special tokens, without what ends them, without white space around them."""
    log_likelihood: NDArray[np.float64]
    """Sums of the log-probabilities, at temperature 1, of the tokens of each, what ended it included."""
    tokens: NDArray[np.int64]
    """How many tokens were written, what ended the text included."""
    endings: NDArray[np.object_]
    """How each ended: `end`, by the model's token or the layout's end of an answer; `stop`, by a stop string;
    `length`, cut off."""

    @classmethod
    def empty(cls, n: int, samples: int) -> "Written":
        """Room for what is written after n prompts."""
        shape = (n, samples)
        return cls(
            np.full(shape, "", dtype=object),
            np.zeros(shape),
            np.zeros(shape, dtype=np.int64),
            np.full(shape, "", dtype=object),
        )

    def put(self, rows: NDArray[np.int64], of_rows: "Written") -> None:
        """Puts what was written after some prompts, int64[b], in their place."""
        self.texts[rows] = of_rows.texts
        self.log_likelihood[rows] = of_rows.log_likelihood
        self.tokens[rows] = of_rows.tokens
        self.endings[rows] = of_rows.endings


def write(
    model: CausalModel,
    layout: Layout,
    texts: Sequence[str],
    decoding: Decoding,
    batch_tokens: int,
    progress: Progress = lambda _done, _total: None,
    numbers: NDArray[np.int64] | None = None,
) -> Written:
    """Returns what a model writes after the prompts of n texts, in their order.

    What all prompts begin with is read once, prompts of like length share a batch, and a finished text leaves it. A
    model whose state cannot be shared (recurrent layers, an attention window shorter than the prompt, positions
    that it makes up itself) reads each prompt in full, and writes the same.

    Args:
        model: that writes.
        layout: of its prompts.
        texts: n texts, cut already.
        decoding: how it writes.
        batch_tokens: tokens in a batch: those of the prompts, the shared ones and padding included, and those that
            may be written, once for each sample.
        progress: called with (texts done, n).
        numbers: the texts' own numbers, int64[n], which samples depend on; None: their places.

    Returns:
        n × samples texts. They do not depend on the batches nor on the order of the texts, but for a token that is
        as likely as another up to the rounding of float32.

    Raises:
        BadSpec: a prompt with what may be written is longer than the model can read, or its outputs are no numbers.
        OwnFault: memory ran out.
    """
    written = Written.empty(len(texts), decoding.samples)
    done = 0
    progress(0, len(texts))
    for rows, of_rows in write_of(
        model, layout, texts, decoding, batch_tokens, np.arange(len(texts)), numbers
    ):
        written.put(rows, of_rows)
        done += len(rows)
        progress(done, len(texts))
    return written


def write_of(
    model: CausalModel,
    layout: Layouts,
    texts: Sequence[str],
    decoding: Decoding,
    batch_tokens: int,
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64] | None = None,
) -> Iterator[tuple[NDArray[np.int64], Written]]:
    """What is written after some prompts, batch by batch; what is left after some batches gives the same texts.

    Args:
        model, texts, decoding, batch_tokens, numbers: as of `write`.
        layout: of its prompts, one of all or one of each.
        rows: which texts, int64[m], ascending.

    Yields:
        int64[b], some of the rows, and what was written after their prompts. Errors as of `write`.
    """
    import torch

    from w2s_trainer.models.states import shared_states

    if not len(rows):
        return
    prompts = prompts_in(model, layout, texts)
    longest = require_room(model, prompts, decoding.max_new_tokens)
    numbers = np.arange(len(texts)) if numbers is None else numbers
    ends = ends_of(model, one_of(layout), decoding.stop)
    with torch.inference_mode(), memory_bound():
        states = shared_states(model.model, model.tensor([prompts.shared]), longest)
        for some in _batches(prompts, rows, decoding, batch_tokens, one_length=states is None):
            chooser = Chooser(decoding, numbers[some])
            drafts = Drafts(model.tokenizer, ends, len(some) * decoding.samples, decoding.max_new_tokens)
            if states is None:
                _write_in_full(model, prompts, some, chooser, drafts, decoding)
            else:
                _write_from(states, model, prompts, some, chooser, drafts, decoding)
            yield some, _written(drafts, len(some), decoding.samples)


def prompts_in(model: CausalModel, layout: Layouts, texts: Sequence[str]) -> Prompts:
    """Token ids of the prompts of n texts, after which the model writes."""
    return (
        model.prompts(layout, texts) if isinstance(layout, Layout) else model.prompts_of_each(layout, texts)
    )


def require_room(model: CausalModel, prompts: Prompts, new: int) -> int:
    """Returns how many tokens the longest prompt has with what is written after it, at most.

    Raises:
        BadSpec: they are more than the model can read.
    """
    prompt = len(prompts.shared) + int(lengths_of(prompts.rests).max(initial=0))
    longest, context = prompt + new, model.context
    if context is not None and longest > context:
        raise BadSpec(
            "PromptTooLong",
            f"A prompt for {model.tokenizer.name_or_path} has {prompt:,} tokens and its answer up to {new:,}, the"
            f" model reads {context:,}: {len(prompts.shared):,} are the instruction and the shots.",
            "Lower `maxNewTokens`, the labeler's `shots`, its `reasoningTokens` or its `maxTokens`.",
        )
    return longest


def _batches(
    prompts: Prompts, rows: NDArray[np.int64], decoding: Decoding, batch_tokens: int, *, one_length: bool
) -> Iterator[NDArray[np.int64]]:
    """Some of the rows, longest prompts first; of one length, where padding cannot be hidden from a model."""
    lengths = lengths_of(prompts.rests)[rows]
    whole = (len(prompts.shared) + lengths + decoding.max_new_tokens) * decoding.samples
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)[::-1]]
    for group in groups if one_length else [np.arange(len(rows))]:
        for places in by_tokens(whole[group], batch_tokens):
            yield rows[group[places]]


def _written(drafts: Drafts, n: int, samples: int) -> Written:
    texts, endings = drafts.texts()
    return Written(
        np.array(texts, dtype=object).reshape(n, samples),
        drafts.log_likelihood.reshape(n, samples),
        drafts.counts.reshape(n, samples),
        np.array(endings, dtype=object).reshape(n, samples),
    )


def _write_from(
    states: "States",
    model: CausalModel,
    prompts: Prompts,
    batch: NDArray[np.int64],
    chooser: Chooser,
    drafts: Drafts,
    decoding: Decoding,
) -> None:
    """Writes after what all prompts begin with."""
    import torch

    from w2s_trainer.models.states import Room, last_logits

    shared, lengths = len(prompts.shared), lengths_of(prompts.rests)[batch]
    width = shared + int(lengths.max())
    room = Room(states, len(batch), width + decoding.max_new_tokens)
    visible = np.zeros((len(batch), width + decoding.max_new_tokens), dtype=bool)
    visible[:, width:] = True
    read = [_read(room, model, prompts, batch, part, width, visible) for part in _parts(lengths)]
    samples = decoding.samples
    room.repeat(samples)
    logits = torch.cat(read).repeat_interleave(samples, dim=0)
    dtype = model.model.dtype
    hidden = torch.zeros(visible.shape, dtype=dtype, device=model.device)
    hidden.masked_fill_(~torch.from_numpy(visible).to(model.device), torch.finfo(dtype).min)
    hidden = hidden.repeat_interleave(samples, dim=0)
    positions = torch.from_numpy(shared + lengths).to(model.device).repeat_interleave(samples)
    live = np.arange(len(batch) * samples)
    for place in range(decoding.max_new_tokens):
        tokens, of_tokens = chooser.choose(logits, live, place)
        _check(model, of_tokens, batch[live // samples])
        finished = drafts.append(live, tokens.cpu().numpy(), of_tokens)
        if finished.all():
            return
        if finished.any():
            sources, places, kept = _closed_up(finished)
            room.move(sources, places, kept)
            order = np.arange(kept)
            order[places] = sources
            live, stay = live[order], torch.from_numpy(order).to(model.device)
            tokens, hidden, positions = tokens[stay], hidden[stay], positions[stay]
        used = width + place
        output = model.model(
            input_ids=tokens[:, None],
            attention_mask=hidden[:, None, None, : used + 1],
            position_ids=(positions + place)[:, None],
            past_key_values=room.writing(used),
            use_cache=True,
            **last_logits(model.model, 1),
        )
        logits = output.logits[:, -1]


def _parts(lengths: NDArray[np.int64]) -> Iterator[slice]:
    """Neighbours in a batch, sorted by length, that are read in one pass."""
    start = 0
    while start < len(lengths):
        size = max(1, _READ_AT_ONCE // int(lengths[start]))
        yield slice(start, min(start + size, len(lengths)))
        start += size


def _read(
    room: "Room",
    model: CausalModel,
    prompts: Prompts,
    batch: NDArray[np.int64],
    part: slice,
    width: int,
    visible: NDArray[np.bool_],
) -> "torch.Tensor":
    """Reads what is left of some prompts into the room, so that all end in column `width`.

    Padding is between the shared part and the rest.

    Args:
        visible: bool[b, columns]; set where there is a token.

    Returns:
        Logits of the token after each, float[p, V].
    """
    import torch

    from w2s_trainer.models.states import last_logits

    shared, rests = len(prompts.shared), [prompts.rests[row] for row in batch[part]]
    longest = max(len(rest) for rest in rests)
    pads = np.array([longest - len(rest) for rest in rests])
    ids = np.zeros((len(rests), longest), dtype=np.int64)
    for line, rest in enumerate(rests):
        ids[line, pads[line] :] = rest
    mask = np.ones((len(rests), shared + longest), dtype=np.int64)
    mask[:, shared:] = np.arange(longest) >= pads[:, None]
    begin = width - longest - shared
    visible[part, begin:width] = mask
    positions = shared + np.maximum(np.arange(longest) - pads[:, None], 0)
    output = model.model(
        input_ids=model.tensor(ids),
        attention_mask=model.tensor(mask),
        position_ids=model.tensor(positions),
        past_key_values=room.reading(part, begin),
        use_cache=True,
        **last_logits(model.model, 1),
    )
    logits: torch.Tensor = output.logits[:, -1]
    return logits


def _closed_up(finished: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Rows from the end of a batch, int64[m], that take the places, int64[m], of finished ones, so that the first
    `kept` rows are those that are not finished."""
    kept = int((~finished).sum())
    sources = kept + np.flatnonzero(~finished[kept:])
    return sources, np.flatnonzero(finished[:kept]), kept


def _write_in_full(
    model: CausalModel,
    prompts: Prompts,
    batch: NDArray[np.int64],
    chooser: Chooser,
    drafts: Drafts,
    decoding: Decoding,
) -> None:
    """Writes after prompts of one length by the loop of transformers, which knows each model's state."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    samples = decoding.samples
    whole = np.array([[*prompts.shared, *prompts.rests[row]] for row in np.repeat(batch, samples).tolist()])
    finished = np.zeros(len(whole), dtype=bool)

    def choose(ids: "torch.Tensor", logits: "torch.Tensor") -> "torch.Tensor":
        live = np.flatnonzero(~finished)
        at = torch.from_numpy(live).to(logits.device)
        tokens, of_tokens = chooser.choose(logits[at], live, ids.shape[1] - whole.shape[1])
        _check(model, of_tokens, batch[live // samples])
        finished[live] = drafts.append(live, tokens.cpu().numpy(), of_tokens)
        only = torch.full_like(logits, -torch.inf)
        only[:, 0] = 0.0
        only[at] = -torch.inf
        only[at, tokens] = 0.0
        return only

    def ended(ids: "torch.Tensor", _scores: Any, **_: Any) -> "torch.Tensor":
        return torch.from_numpy(finished.copy()).to(ids.device)

    # What a model's files say of penalties and sampling is not what is asked for.
    own, model.model.generation_config = model.model.generation_config, GenerationConfig()
    try:
        ids = model.tensor(whole)
        with quiet():
            model.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=decoding.max_new_tokens,
                do_sample=False,
                pad_token_id=0,
                logits_processor=LogitsProcessorList([choose]),
                stopping_criteria=StoppingCriteriaList([ended]),
            )
    finally:
        model.model.generation_config = own


def _check(model: CausalModel, of_tokens: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
    check_finite(of_tokens, model.tokenizer.name_or_path, "logits", rows)
