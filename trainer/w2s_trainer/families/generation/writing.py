"""How a model is asked to write, whether it labels, learns, answers or is published: one prompt, one end of a text."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.input_template import TEXT_ALONE
from w2s_api.spec.task import Task
from w2s_trainer.families.generation.reading import read_by, template_of
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding, ends_of
from w2s_trainer.models.generating import write
from w2s_trainer.models.layout import FREE_TEXT, Layout, layout_of
from w2s_trainer.models.loading import load_config, load_tokenizer

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Answered:
    """What a model wrote about n texts."""

    texts: NDArray[np.object_]
    """str[n]."""
    probability: NDArray[np.float64]
    """float64[n], of each whole text: the product over its tokens, what ended it included."""
    cut_off: NDArray[np.bool_]
    """bool[n]: the text was longer than it may be."""
    prompt: Mapping[str, Any]
    """`prompt_record` of the prompt."""


def layout_for(tokenizer: Any, task: Task, shots: Sequence[tuple[str, str]] = ()) -> Layout:
    """The prompt of a task.

    Args:
        tokenizer: its chat template, if it has one, decides.
        task: says what is asked.
        shots: what is read of some rows, and what an expert wrote about them.
    """
    wording = FREE_TEXT if template_of(task) == TEXT_ALONE else replace(FREE_TEXT, text="")
    if stop := decoding_for(task).stop:
        wording = replace(wording, end=stop[0])
    return layout_of(tokenizer, task.instruction, shots, wording)


def prompt_record(layout: Layout, task: Task, more: Sequence[str] = ()) -> dict[str, Any]:
    """What artifacts keep of a prompt, to tell another run from it: a digest of all that stands around a text, the task's
    template and what `more` there is included, and whether that is the model's chat template."""
    around = [layout.head, layout.tail, layout.lead, layout.end]
    if template_of(task) != TEXT_ALONE:
        around.append(template_of(task))
    around += more
    return {"sha256": sha256(json.dumps(around).encode()).hexdigest(), "chat": layout.chat}


def decoding_for(task: Task) -> Decoding:
    """The likeliest next token each time, up to the end that the task says."""
    generation = task.generation
    assert generation is not None
    return Decoding(generation.max_new_tokens, tuple(generation.stop))


def write_generation_config(directory: Path, task: Task) -> None:
    """Writes how other programs have a published model write as `w2s predict` does, but for stop strings."""
    tokenizer = load_tokenizer(directory, directory.name)
    decoding = decoding_for(task)
    unloaded = SimpleNamespace(config=load_config(directory, directory.name), generation_config=None)
    ends = ends_of(CausalModel(unloaded, tokenizer, "cpu"), layout_for(tokenizer, task), decoding.stop)
    config = {
        "do_sample": False,
        "eos_token_id": sorted(int(token) for token in ends.tokens),
        "max_new_tokens": decoding.max_new_tokens,
        "pad_token_id": tokenizer.pad_token_id,
    }
    (directory / "generation_config.json").write_text(json.dumps(config, indent=1))


def written_by(
    model: CausalModel,
    task: Task,
    texts: Sequence[str],
    max_tokens: int,
    batch_tokens: int,
    progress: Progress = lambda _done, _total: None,
) -> Answered:
    """Has a model write about n texts and the fields beside them, each cut at max_tokens tokens, greedily.

    Raises:
        BadData: a field that the task's template reads is not there.
        BadSpec: a prompt with what may be written is longer than the model reads.
        OwnFault: memory ran out.
    """
    read = read_by(model, task, texts, max_tokens)
    layout = layout_for(model.tokenizer, task)
    written = write(model, layout, read, decoding_for(task), batch_tokens, progress)
    return Answered(
        texts_of([str(text) for text in written.texts[:, 0]]),
        np.exp(written.log_likelihood[:, 0]),
        np.asarray(written.endings[:, 0] == "length"),
        prompt_record(layout, task),
    )
