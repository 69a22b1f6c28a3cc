"""Chain of thought: a model writes down its reasoning, and the class names are scored after it (Kojima et al. 2022, "Large
language models are zero-shot reasoners", whose second prompt asks for the answer)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.causal import CausalModel, Prompts
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.layout import Layout, Wording
from w2s_trainer.models.ragged import lengths_of

WORDING = Wording("Reasoning", 'Think step by step. Then write "Answer:" and the name of the class.')
NOTHING = -1
"""Stands after the last token of a reasoning that ended before its limit."""
_ANSWER = re.compile(r"answer\s*:", re.IGNORECASE)


def concluding(layout: Layout, reasoning: str = "") -> Layout:
    """The layout that goes on after a reasoning, to its answer; what it says after an `Answer:` of its own is left out."""
    said = _ANSWER.split(reasoning.strip(), maxsplit=1)[0]
    if not layout.chat:
        said = said.split(layout.end, maxsplit=1)[0]  # what comes next would be another text
    said = layout.harmless(said)
    written = f"{layout.lead}{said}\n" if said else "\n"
    return replace(layout, tail=f"{layout.tail}{written}Answer:", lead=" ")


def read_reasonings(tokenizer: Any, tokens: NDArray[np.int32]) -> list[str]:
    """The reasonings of n texts from their tokens, int32[n, t], as `reasonings` yields them."""
    return [str(tokenizer.decode(row[row != NOTHING].tolist(), skip_special_tokens=True)) for row in tokens]


def reasonings(
    model: CausalModel,
    layout: Layout,
    prompts: Prompts,
    most: int,
    batch_tokens: int,
    rows: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """What a model writes after some prompts, greedily, batch by batch; after some batches, those that are left are the same.

    Only prompts of one length share a batch, so that none is padded.

    Args:
        model: writes.
        layout: of the prompts; the token that ends its turn ends a reasoning.
        prompts: n of them.
        most: tokens of a reasoning.
        batch_tokens: tokens in a batch, those to be written included.
        rows: which prompts, int64[m], ascending.

    Yields:
        int64[b], some of the rows, and token ids int32[b, most], NOTHING after the last.
    """
    import torch
    from transformers import GenerationConfig

    ends = _ends(model.tokenizer, layout)
    config = GenerationConfig(
        max_new_tokens=most, do_sample=False, eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
    )
    lengths = lengths_of(prompts.rests)[rows]
    # What a model's files say of sampling and penalties is not what is asked for.
    own, model.model.generation_config = model.model.generation_config, GenerationConfig()
    try:
        for length in np.unique(lengths)[::-1]:
            alike = rows[lengths == length]
            size = max(1, batch_tokens // (len(prompts.shared) + int(length) + most))
            for start in range(0, len(alike), size):
                some = alike[start : start + size]
                read = np.array([[*prompts.shared, *prompts.rests[row]] for row in some], dtype=np.int64)
                ids = torch.from_numpy(read).to(model.device)
                with torch.inference_mode(), memory_bound():
                    written = model.model.generate(
                        ids, attention_mask=torch.ones_like(ids), generation_config=config
                    )
                yield some, _until_end(written[:, ids.shape[1] :].cpu().numpy(), ends, most)
    finally:
        model.model.generation_config = own


def _ends(tokenizer: Any, layout: Layout) -> list[int]:
    """Tokens that end a reasoning: the one of the end of text, and in a chat what ends a turn."""
    ends = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    if layout.chat:
        turn = tokenizer(layout.end, add_special_tokens=False)["input_ids"]
        ends += [token for token in turn[:1] if token in tokenizer.added_tokens_decoder]
    return list(dict.fromkeys(ends))


def _until_end(written: NDArray[np.int64], ends: Sequence[int], most: int) -> NDArray[np.int32]:
    tokens = np.full((len(written), most), NOTHING, dtype=np.int32)
    tokens[:, : written.shape[1]] = written
    ended = np.cumsum(np.isin(tokens, list(ends)), axis=1) > 0
    tokens[ended] = NOTHING
    return tokens
