"""Labeler `Imported`: votes, probabilities or texts that `prepare` kept from the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Imported
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.families.classification.votes import Ballot
from w2s_trainer.stages.imported import ABSTAINS, Meaning, number_column, read_imported, vote_column
from w2s_trainer.stages.label.opinion import Opinion, from_probabilities, path_of
from w2s_trainer.stages.label.texts import imported as of_texts
from w2s_trainer.stages.tables import EVERY_SEED, Examples

TOLERANCE = 1e-3
"""By how much the probabilities of a row may miss the sum of 1: they are written with few digits."""


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """What came with the rows.

    Raises:
        BadData: the probabilities of a row are not whole, or no distribution.
    """
    if FAMILIES[context.spec.task.type].writes:
        return of_texts.opinions(context, labeler, examples, rows)
    settings: Imported = labeler.settings
    names = context.spec.task.class_names
    columns = [vote_column(name) for name in settings.vote_fields()]
    columns += [number_column(name) for name in settings.number_fields()]
    prepared = context.artifact("examples")
    values = [
        column[rows] for column in read_imported(prepared, columns, examples.ids.arrow(), context.scratch)
    ]
    if settings.probabilities:
        classes = [given.class_name for given in settings.probabilities]
        given, silent = distributions(
            np.stack(values, axis=1), [names.index(name) for name in classes], len(names)
        )
        if broken := np.flatnonzero(~silent & np.isnan(given[:, 0])).tolist():
            raise _no_distribution(
                f"{path_of(context, labeler)}.imported.probabilities",
                len(broken),
                examples.ids[int(rows[broken[0]])],
            )
        return {
            EVERY_SEED: from_probabilities(
                np.where(silent[:, None], 1 / len(names), given), 0, abstain=silent
            )
        }
    ballot = Ballot(votes_of(settings, names, values[0]), len(names))
    targets = family_of(context.spec).of_votes(names, ballot.probabilities)
    return {EVERY_SEED: Opinion(ballot.counts, targets, ballot.abstain)}


def votes_of(settings: Imported, names: Sequence[str], values: NDArray[Any]) -> NDArray[np.int64]:
    """Votes int64[n, 1], class numbers or ABSTAINS, of the values of a field, None where there is none."""
    meaning = Meaning(settings, names)
    numbers = {
        None: ABSTAINS,
        **{value: meaning.of(value) for value in dict.fromkeys(values) if value is not None},
    }
    return np.array([[numbers[value]] for value in values], dtype=np.int64).reshape(-1, 1)


def distributions(
    numbers: NDArray[np.float64], classes: Sequence[int], count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Distributions of the numbers that rows have.

    Args:
        numbers: float64[n, m], from 0 to 1; NaN where a row has none.
        classes: the class of each of the m columns; at most one class has none.
        count: K.

    Returns:
        float64[n, K], NaN in rows that are no distribution; and bool[n], the rows without any number.
    """
    missing = np.isnan(numbers)
    given = np.zeros((len(numbers), count))
    given[:, list(classes)] = numbers
    rest = sorted(set(range(count)) - set(classes))
    if rest:
        total = numbers.sum(axis=1)
        given[:, rest[0]] = np.clip(1 - total, 0, None)
        sound = total <= 1 + TOLERANCE
    else:
        sound = np.abs(numbers.sum(axis=1) - 1) <= TOLERANCE
    with np.errstate(invalid="ignore", divide="ignore"):
        given /= given.sum(axis=1, keepdims=True)
    given[~sound | missing.any(axis=1)] = np.nan
    return given, np.asarray(missing.all(axis=1))


def _no_distribution(path: str, count: int, name: str) -> BadData:
    return BadData(
        "NoDistribution",
        f"{path}: in {count:,} rows (the first has the id {name}) some of the fields are empty, or the numbers do not"
        " add up to 1.",
        "Give probabilities of all classes that add up to 1 (one class may be left out of the manifest), or none.",
    )
