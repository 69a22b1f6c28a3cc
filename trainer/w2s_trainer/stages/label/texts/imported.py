"""Labeler `Imported` where texts are written: what somebody wrote about the rows, and `prepare` kept."""

import numpy as np
from numpy.typing import NDArray

from w2s_api.canonical_text import canonical_text
from w2s_api.methods.labelers import Imported
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.stages.imported import read_imported, text_column
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.tables import EVERY_SEED, Examples


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """The texts that came with the rows; none, and one of `abstainOn`, is an abstention."""
    settings: Imported = labeler.settings
    columns = [text_column(name) for name in settings.vote_fields()]
    prepared = context.artifact("examples")
    (came,) = read_imported(prepared, columns, examples.ids.arrow(), context.scratch)
    silent = {canonical_text(value) for value in settings.abstain_on}
    texts = texts_of([text if text and canonical_text(text) not in silent else "" for text in came[rows]])
    return {EVERY_SEED: Opinion(np.zeros((len(rows), 0)), texts, np.asarray(texts == ""))}
