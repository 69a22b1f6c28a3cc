"""The likeliest tokens at each place of given answers: what a teacher would have written, and how probably."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.finite import check_finite
from w2s_trainer.models.layouts import Layouts
from w2s_trainer.models.likelihood import answered, logits_of

IMPOSSIBLE = -1e4
"""The log-probability of what cannot be, finite so that nothing times it is nothing."""


@dataclass(frozen=True)
class TopTokens:
    """The k likeliest tokens at each of the t places of an answer, what ends it included."""

    tokens: NDArray[np.int32]
    """int32[t], the answer itself."""
    ids: NDArray[np.int32]
    """int32[t, k], the likeliest first."""
    log_probabilities: NDArray[np.float32]
    """float32[t, k], at temperature 1, of all tokens of the vocabulary."""
    log_rest: NDArray[np.float32]
    """float32[t], of all other tokens together; at most IMPOSSIBLE + log V where there are none. It is not what the others
    leave of 1: that is lost in rounding, and a temperature makes much of it."""

    @classmethod
    def of(
        cls,
        tokens: Sequence[int],
        ids: Sequence[int],
        log_probabilities: Sequence[float],
        log_rest: Sequence[float],
    ) -> "TopTokens":
        """That of flat lists, place after place."""
        return cls(
            np.asarray(tokens, dtype=np.int32),
            np.asarray(ids, dtype=np.int32).reshape(len(tokens), -1),
            np.asarray(log_probabilities, dtype=np.float32).reshape(len(tokens), -1),
            np.asarray(log_rest, dtype=np.float32),
        )


def top_tokens_of(
    model: CausalModel,
    layout: Layouts,
    texts: Sequence[str],
    answers: Sequence[str],
    k: int,
    batch_tokens: int,
    rows: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], list[TopTokens]]]:
    """The likeliest tokens at each place of some answers, batch by batch; they do not depend on the batches.

    The model reads its prompt and the answer, as tokens of the two together: what a student with the same tokenizer is
    trained on.

    Args:
        model: that is asked.
        layout: of the prompts, one of all or one of each.
        texts: n texts, cut already.
        answers: n answers, none of them empty. What all prompts begin with is that of all n, whichever rows are asked for.
        k: tokens of each place, at most the size of the vocabulary.
        batch_tokens: tokens in a batch.
        rows: which of them, int64[m], ascending.

    Yields:
        int64[b], some of the rows, and what was found of each.

    Raises:
        BadSpec: a prompt with its answer is longer than the model can read, or its outputs are no numbers.
        OwnFault: memory ran out.
    """
    if not len(rows):
        return
    given = answered(model, layout, texts, answers)
    for batch, logits, targets in logits_of(model, given, batch_tokens, rows):
        of_all = logits.log_softmax(dim=-1).clamp(min=IMPOSSIBLE)
        found = of_all.topk(min(k, logits.shape[-1]), dim=-1)
        rest = of_all.scatter(-1, found.indices, IMPOSSIBLE).logsumexp(dim=-1).cpu().numpy()
        ids, log_p = found.indices.cpu().numpy(), found.values.float().cpu().numpy()
        counted = np.arange(targets.shape[1]) >= targets.shape[1] - given.tokens[batch][:, None]
        check_finite(np.where(counted, log_p[..., 0], 0.0), model.tokenizer.name_or_path, "logits", batch)
        tops = []
        for line, row in enumerate(batch.tolist()):
            count = int(given.tokens[row])
            whole = [*given.sequences.shared, *given.sequences.rests[row]]
            answer = np.array(whole[-count:], dtype=np.int32)
            tops.append(
                TopTokens(
                    answer, ids[line, -count:].astype(np.int32), log_p[line, -count:], rest[line, -count:]
                )
            )
        yield batch, tops


def vocabulary_digest(tokenizer: Any) -> str:
    """A digest of which token has which number: equal where the numbers of two models mean the same tokens."""
    numbered = sorted(tokenizer.get_vocab().items(), key=lambda one: (one[1], one[0]))
    return sha256(json.dumps(numbered).encode()).hexdigest()
