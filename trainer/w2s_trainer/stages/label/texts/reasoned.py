"""Chain of thought where texts are written: the reasoning, a marker, and the text after it (Kojima et al. 2022, "Large language
models are zero-shot reasoners"; several samples of both: Wang et al. 2023, "Self-consistency improves chain of thought")."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from w2s_api.input_template import TEXT_ALONE
from w2s_api.spec.task import Task
from w2s_trainer.families.generation.reading import template_of
from w2s_trainer.families.generation.writing import layout_for
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import Written, prompts_in, require_room, write_of
from w2s_trainer.models.layout import Layout, Wording, layout_of
from w2s_trainer.models.layouts import LayoutOfEach
from w2s_trainer.stages.label.reasoning import concluding
from w2s_trainer.stages.label.saved_answers import Answers, Collect
from w2s_trainer.stages.label.texts.written import (
    UNPARSED,
    as_lines,
    numbers_of,
    read_lines,
    write_and_save,
)

MARKER = "Answer:"
"""Ends a reasoning; the text follows."""
_HOW = f'Think step by step. Then write "{MARKER}" and what is asked for, and nothing after it.'
_MARKERS = (MARKER, MARKER.upper(), MARKER.lower())


def reasoning_layout(tokenizer: object, task: Task) -> Layout:
    """The prompt that a reasoning follows. It says how to end also where prompts are plain lines, of which a reasoning may
    have several."""
    before = Wording.text if template_of(task) == TEXT_ALONE else ""
    wording = Wording("Reasoning", text=before, end="\n\n")
    return layout_of(tokenizer, f"{task.instruction.strip()}\n\n{_HOW}", (), wording)


def write_reasoned(
    collect: Collect,
    name: str,
    model: CausalModel,
    task: Task,
    texts: Sequence[str],
    decoding: Decoding,
    most: int,
    batch_tokens: int,
    progress: Callable[[str, int, int], None],
) -> Written:
    """What a model writes about n texts after its reasonings, as many as samples; both are saved on the way.

    A reasoning without the marker, since it ended or became too long before, has no text: its ending is UNPARSED. The
    log-likelihood is that of the text after its reasoning, and the tokens are those of both.

    Args:
        collect: gathers the answers, and may save them.
        name: tells the collections of one labeler apart.
        model: that writes.
        task: says what is asked.
        texts: n texts, cut already.
        decoding: of the texts; reasonings are written at the same temperature.
        most: tokens of a reasoning.
        batch_tokens: tokens in a batch.
        progress: called with the phase and (texts done, all).

    Raises:
        BadSpec: a prompt with reasoning and text is longer than the model reads, said before any is written; or its outputs
            are no numbers.
        OwnFault: memory ran out.
    """
    layout = reasoning_layout(model.tokenizer, task)
    between = len(model.ids(layout, [concluding(layout, "x").prompt("x")])[0])
    between -= len(model.ids(layout, [layout.prompt("x")])[0])
    require_room(model, prompts_in(model, layout, texts), most + between + decoding.max_new_tokens)
    thoughts = write_and_save(
        collect,
        f"{name}-reasoning",
        model,
        layout,
        texts,
        replace(decoding, max_new_tokens=most, stop=_MARKERS),
        batch_tokens,
        lambda done, total: progress("writing the reasoning", done, total),
    )
    written = _concluded(
        collect, name, model, task, layout, texts, thoughts, decoding, batch_tokens, progress
    )
    written.tokens[:] += thoughts.tokens
    return written


def _concluded(
    collect: Collect,
    name: str,
    model: CausalModel,
    task: Task,
    layout: Layout,
    texts: Sequence[str],
    thoughts: Written,
    decoding: Decoding,
    batch_tokens: int,
    progress: Callable[[str, int, int], None],
) -> Written:
    samples = decoding.samples
    parsed = (thoughts.endings == "stop").ravel()
    reasonings = thoughts.texts.ravel()
    spoken = np.flatnonzero(parsed)
    about = [texts[row] for row in (spoken // samples).tolist()]
    end = layout_for(model.tokenizer, task).end

    def layout_at(place: int) -> Layout:
        return replace(concluding(layout, str(reasonings[place])), end=end)

    one = replace(decoding, samples=1)
    numbers = numbers_of(
        [f"{sample} {text}" for sample, text in zip((spoken % samples).tolist(), about, strict=True)]
    )

    def answer(left: NDArray[np.int64]) -> Answers:
        silent = left[~parsed[left]]
        if len(silent):
            nothing = Written.empty(len(silent), 1)
            nothing.endings[:] = UNPARSED
            yield silent, as_lines(nothing)
        places = np.searchsorted(spoken, left[parsed[left]])
        for rows, written in write_of(
            model, LayoutOfEach(layout_at, spoken), about, one, batch_tokens, places, numbers
        ):
            yield spoken[rows], as_lines(written)

    lines = collect(
        name,
        len(parsed),
        1,
        object,
        answer,
        lambda done, total: progress("asking the model", done, total),
    )
    flat = read_lines(lines, 1)
    shape = thoughts.texts.shape
    return Written(
        flat.texts.reshape(shape),
        flat.log_likelihood.reshape(shape),
        flat.tokens.reshape(shape),
        flat.endings.reshape(shape),
    )
