"""Labeler `Finetuned` where texts are written: a causal model that is tuned on the texts of the gold budget writes."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Finetuned
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.families.generation.reading import read_by
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.generation.writing import decoding_for, layout_for, written_by
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.texts.top_tokens import collect_top_tokens
from w2s_trainer.stages.label.texts.written import chosen, opinion_of, write_and_save
from w2s_trainer.stages.label.tuned import published_student, tuned_on_budget
from w2s_trainer.stages.tables import Examples, WeakLabels


def opinion(
    context: StageContext,
    labeler: Labeler,
    examples: Examples,
    gold: NDArray[np.object_],
    drawn: NDArray[np.int64],
    rows: NDArray[np.int64],
    seed: int,
) -> Opinion:
    """What the model that was tuned on a seed's budget writes about some rows, the likeliest token each time.

    Raises:
        BadSpec: it is no causal model, or reads less than a prompt and what may be written after it.
        BadData: a text of the budget is longer, with its target, than it reads.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    settings: Finetuned = labeler.settings
    task, family, note = context.spec.task, family_of(context.spec), context.progress.note
    tuned = tuned_on_budget(context, labeler, examples, family.gold_targets(gold[drawn]), drawn, seed)
    student, texts = tuned.student, examples.texts.take(rows)
    tokens = family.student_tokens(student, texts, settings.max_tokens)
    tokens.require_some(context.model.name)
    if caution := tokens.caution(context.model.name):
        note(caution)
    collect = SavedAnswers(context, rows, {"device": student.device, "precision": student.precision})
    layout, top = layout_for(student.tokenizer, task), None
    with student.answering() as model:
        read = read_by(model, task, texts, settings.max_tokens)
        written = write_and_save(
            collect,
            f"seed-{seed}",
            model,
            layout,
            read,
            decoding_for(task),
            labeler.batch_tokens,
            partial(context.progress, "labelling"),
        )
        if settings.top_k:
            top = collect_top_tokens(
                collect,
                f"seed-{seed}",
                model,
                layout,
                read,
                chosen(written, "ExactMatch")[0],
                settings.top_k,
                labeler.batch_tokens,
                partial(context.progress, "reading what was written"),
            )
    return opinion_of(
        written,
        truncated=tokens.truncated,
        unreadable=len(tokens.unreadable),
        figures={"tuned": {**tuned.figures, "tuning": settings.tuning.type}},
        top=top,
    )


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model writes as it was tuned on the first seed's budget; none where it is cut off."""
    settings: Finetuned = labeler.settings
    with published_student(settings, published).answering() as model:
        written = written_by(model, published.family.task, texts, settings.max_tokens, labeler.batch_tokens)
    said = texts_of(np.where(written.cut_off, "", written.texts).tolist())
    return WeakLabels(said, np.asarray(said == ""))
