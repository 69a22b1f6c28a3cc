"""Labeler `Endpoint` where texts are written: one question a text, and the answer is the text."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Endpoint
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.families.generation.reading import read_at_endpoint
from w2s_trainer.families.generation.samples import agreed
from w2s_trainer.families.generation.writing import decoding_for
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.label.remote.conversation import Message, request_to_write
from w2s_trainer.stages.label.remote.figures import figures_of
from w2s_trainer.stages.label.remote.form import Form, TextForm
from w2s_trainer.stages.label.texts.shown import shown_texts
from w2s_trainer.stages.tables import Examples


class Ask(Protocol):
    """Asks questions, and never one that was answered already."""

    def __call__(
        self,
        context: StageContext,
        labeler: Labeler,
        settings: Endpoint,
        form: Form,
        messages: Callable[[int], list[Message]],
        n: int,
        rows: NDArray[np.int64],
    ) -> NDArray[Any]:
        """What is saved of n questions, [n, width of the form].

        Args:
            context: of the stage.
            labeler: which asks.
            settings: of it.
            form: of the answers.
            messages: of the question at a place.
            n: questions.
            rows: of the examples that are asked about.
        """


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64], ask: Ask
) -> dict[int, Opinion]:
    """Asks the model and returns what it writes.

    How sure it is, is how far several samples agree, or of one its probability where the endpoint gives those of tokens.
    """
    given: Endpoint = labeler.settings
    task, decoding = context.spec.task, decoding_for(context.spec.task)
    settings = given.model_copy(update={"max_tokens_out": given.max_tokens_out or decoding.max_new_tokens})
    most, n = settings.max_characters, len(rows)
    shown = shown_texts(context, labeler, settings.shots, examples)
    shots = [
        one.read([text.strip() for text in read_at_endpoint(task, one.texts, most)]) if one.answers else []
        for one in shown.values()
    ]
    texts = examples.texts.take(rows)
    read = read_at_endpoint(task, texts, most)

    def messages(place: int) -> list[Message]:
        seed, row = divmod(place, n)
        return request_to_write(task.instruction, shots[seed], read[row].strip())

    form = TextForm(settings.samples, decoding.stop, settings.logprobs)
    values = ask(context, labeler, settings, form, messages, len(shown) * n, rows)
    columns = zip(texts, *fields_beside(texts).values(), strict=True)
    cut, ids = (
        sum(max(map(len, (text, *fields))) > most for text, *fields in columns),
        list(examples.ids.take(rows)),
    )
    by_seed = {}
    for (seed, of_budget), block in zip(shown.items(), np.split(values, len(shown)), strict=True):
        said, agreement = agreed(form.texts(block), settings.agreement)
        by_seed[seed] = Opinion(
            np.zeros((n, 0)),
            said,
            np.asarray(said == ""),
            truncated=cut,
            figures={"asked": figures_of(form.records(block), ids, settings.price_per_million_tokens)},
            shown=of_budget.rows,
            probability=_probability(settings, form, block, said, agreement),
        )
    return by_seed


def _probability(
    settings: Endpoint,
    form: TextForm,
    block: NDArray[Any],
    said: NDArray[np.object_],
    agreement: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    if settings.samples > 1:
        return agreement
    if not settings.logprobs:
        return None
    return np.where(said == "", 0.0, np.exp(form.log_likelihoods(block)[:, 0]))
