"""Texts that a model wrote, as the opinion of a labeler: saved on the way, and none where it did not come to an end."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families.generation.samples import agreed
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.generation.writing import decoding_for
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import Written, write_of
from w2s_trainer.models.layouts import Layouts
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.label.saved_answers import Answers, Collect

UNPARSED = "unparsed"
"""How a text ended that never began: its reasoning has no marker."""
MANY = 0.1
"""The share of texts without an end from which on somebody should look."""


def write_and_save(
    collect: Collect,
    name: str,
    model: CausalModel,
    layout: Layouts,
    texts: Sequence[str],
    decoding: Decoding,
    batch_tokens: int,
    progress: Callable[[int, int], None],
) -> Written:
    """What a model writes about n texts, cut already. What samples are drawn depends on the text alone.

    Args:
        collect: gathers the answers, and may save them.
        name: tells the collections of one labeler apart.
        model, layout, texts, decoding, batch_tokens, progress: as of `models.generating.write`, as are the errors.
    """
    numbers = numbers_of(texts) if decoding.temperature > 0 else None

    def answer(left: NDArray[np.int64]) -> Answers:
        for rows, written in write_of(model, layout, texts, decoding, batch_tokens, left, numbers):
            yield rows, as_lines(written)

    lines = collect(name, len(texts), 1, object, answer, progress)
    return read_lines(lines, decoding.samples)


def candidates_of(written: Written) -> NDArray[np.object_]:
    """str[n, samples]: the texts that came to an end; empty where one was cut off, for what is missing is not known."""
    return np.where(written.endings == "length", "", written.texts)


def chosen(written: Written, agreement: str) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """The text that stands for the samples of each row, str[n], empty where none came to an end, and its probability.

    That is the model's own where there is one sample, and how far the samples agree with it where there are several.
    """
    candidates = candidates_of(written)
    if candidates.shape[1] > 1:
        return agreed(candidates, agreement)
    texts = candidates[:, 0]
    return texts, np.where(texts == "", 0.0, np.exp(written.log_likelihood[:, 0]))


def opinion_of(
    written: Written,
    agreement: str = "ExactMatch",
    *,
    truncated: int,
    unreadable: int,
    figures: Mapping[str, Any],
    shown: NDArray[np.int64] | None = None,
    top: tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]] | None = None,
    is_reasoned: bool = False,
) -> Opinion:
    """The opinion of a model that wrote about n texts: it abstains where no text came to an end, or none was written.

    Args:
        written: [n, samples].
        agreement: how samples are compared.
        truncated, unreadable, figures, shown: as of Opinion.
        top: columns and figures of `top_tokens.collect_top_tokens`, where it keeps token probabilities.
        is_reasoned: whether texts come after a reasoning (`reasoned.write_reasoned`).
    """
    texts, probability = chosen(written, agreement)
    columns, kept = top or ({}, None)
    return Opinion(
        np.zeros((len(texts), 0)),
        texts,
        np.asarray(texts == ""),
        truncated,
        unreadable,
        {
            **figures,
            "written": figures_of(written, is_reasoned=is_reasoned),
            **({"softTargets": kept} if kept else {}),
        },
        shown=np.empty(0, dtype=np.int64) if shown is None else shown,
        probability=probability,
        columns=columns,
    )


def figures_of(written: Written, *, is_reasoned: bool = False) -> dict[str, int]:
    """Counts of the texts, samples included: all, those cut off, those that are empty, tokens, and where they come after a
    reasoning, those that never began."""
    cut_off, unparsed = written.endings == "length", written.endings == UNPARSED
    return {
        "texts": written.texts.size,
        "cutOff": int(cut_off.sum()),
        "empty": int((~cut_off & ~unparsed & (written.texts == "")).sum()),
        "tokens": int(written.tokens.sum()),
        **({"unparsed": int(unparsed.sum())} if is_reasoned else {}),
    }


def tell_written(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes what a labeler wrote; warns where many texts are no answers. Returns how many notes warn."""
    counted = list(summary.get("written", {}).values())
    texts, cut_off, empty = (sum(one[name] for one in counted) for name in ("texts", "cutOff", "empty"))
    if not texts:
        return 0
    note = context.progress.note
    unparsed = sum(one.get("unparsed", 0) for one in counted)
    never = (
        f", {unparsed:,} reasonings without an answer" if any("unparsed" in one for one in counted) else ""
    )
    note(f"{labeler.name}: {texts:,} texts written, {cut_off:,} of them cut off and {empty:,} empty{never}")
    doubts = []
    if unparsed > MANY * texts:
        doubts.append(
            f"{unparsed / texts:.0%} of its reasonings do not come to `Answer:`: there it abstains. Raise `reasoningTokens`, or"
            " ask without a reasoning, or ask a larger model"
        )
    if cut_off > MANY * texts:
        doubts.append(
            f"{cut_off / texts:.0%} of what it writes is cut off at spec.task.generation.maxNewTokens"
            f" ({decoding_for(context.spec.task).max_new_tokens}): there it abstains. Raise that, or say in the instruction"
            " how short a text is to be"
        )
    if empty > MANY * texts:
        doubts.append(f"{empty / texts:.0%} of what it writes is empty: there it abstains")
    for doubt in doubts:
        note(f"Warning: {labeler.name}: {doubt}")
    return len(doubts)


def as_lines(written: Written) -> NDArray[np.object_]:
    """What was written about each of n texts as one line of JSON, str[n, 1]; floats keep all their digits."""
    columns = (written.texts, written.log_likelihood, written.tokens, written.endings)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return texts_of([json.dumps(row, ensure_ascii=False) for row in rows])[:, None]


def read_lines(lines: NDArray[np.object_], samples: int) -> Written:
    """What was written, from its lines, str[n, 1]."""
    written = Written.empty(len(lines), samples)
    for row, line in enumerate(lines[:, 0].tolist()):
        (
            written.texts[row],
            written.log_likelihood[row],
            written.tokens[row],
            written.endings[row],
        ) = json.loads(line)
    return written


def numbers_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of texts that depend on nothing but them, int64[n], so that a published labeler draws as it did."""
    digests = (sha256(text.encode()).digest()[:8] for text in texts)
    return np.array([int.from_bytes(digest, "big") >> 1 for digest in digests], dtype=np.int64)
