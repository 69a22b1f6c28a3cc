"""The options of a judge as token ids, and what their probabilities tell. Pure but for the tokenizer."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import Answers, CausalModel, common
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.published import softmax
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.stages.label.saved_answers import Collect


def options_of(model: CausalModel, layout: Layout, names: Sequence[str]) -> Answers:
    """Token ids of the options as they begin an answer: whatever the model goes on with, it has chosen by then.

    Args:
        model: that is asked.
        layout: of the prompts.
        names: of the options; none begins with another.

    Raises:
        BadSpec: the tokenizer cannot tell two of them apart.
    """
    prompt = layout.prompt("x")
    before = model.ids(layout, [prompt])[0]
    whole = model.ids(layout, [prompt + layout.lead + name for name in names])
    kept = min(common(before, ids) for ids in whole)
    options = [ids[kept:].tolist() for ids in whole]
    if any(
        one == other[: len(one)]
        for at, one in enumerate(options)
        for place, other in enumerate(options)
        if at != place
    ):
        raise BadSpec(
            "SameAnswer",
            f"The tokenizer of {model.tokenizer.name_or_path} reads two of the options {', '.join(names)} as the same.",
            "Name another model as the judge.",
        )
    return Answers(options, len(before) - kept)


def option_scores(
    model: CausalModel,
    layout: Layout,
    texts: Sequence[str],
    names: Sequence[str],
    batch_tokens: int,
    collect: Collect,
    name: str,
    progress: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """Log-probabilities float64[n, K] of K options after the prompts of n texts, in full.

    Args:
        model: that is asked.
        layout: of the prompts.
        texts: n texts, cut already.
        names: of the options.
        batch_tokens: tokens in a batch, the shared ones and padding included.
        collect: gathers them, and may save them.
        name: of the collection.
        progress: called with (texts done, n).

    Raises:
        BadSpec: a prompt is longer than the model reads; said before any is read.
        OwnFault: memory ran out.
    """
    options = options_of(model, layout, names)
    prompts = model.prompts(layout, texts, options)
    require_room(model, layout, len(prompts.shared) + int(lengths_of(prompts.rests).max(initial=0)))

    def answer(left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        return model.scores_of(prompts, options, left, batch_tokens)

    return collect(name, len(texts), len(names), np.float64, answer, progress)


def require_room(model: CausalModel, layout: Layout, longest: int) -> None:
    """Raises BadSpec where prompts of so many tokens are longer than the judge can read, with an option after them."""
    if model.context is None or longest < model.context:
        return
    alone = len(model.ids(layout, [layout.prompt("")])[0])
    raise BadSpec(
        "RubricTooLong" if alone >= model.context else "PromptTooLong",
        f"A prompt for the judge {model.tokenizer.name_or_path} has {longest:,} tokens, the model reads {model.context:,}:"
        f" {alone:,} are the rubric and the question.",
        "Shorten the rubric, or name a judge that reads more."
        if alone >= model.context
        else "Lower the judge's `maxTokens`, which cuts text and answer each, or shorten its rubric.",
    )


def mass_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability float64[n] that the options have together, of their log-probabilities float64[n, K]."""
    return np.asarray(np.exp(scores).sum(axis=1))


def expected(scores: NDArray[np.float64], values: Sequence[float]) -> NDArray[np.float64]:
    """The mean float64[n] of what K options are worth, by their log-probabilities float64[n, K] brought to a sum of 1."""
    return np.asarray(softmax(scores) @ np.array(values, dtype=np.float64))
