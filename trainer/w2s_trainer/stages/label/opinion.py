"""What a labeler says, and what every labeler is: a function from texts to opinions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.tables import EVERY_SEED, Examples, read_asked


@dataclass(frozen=True)
class Opinion:
    """What a labeler says of n texts, for one seed."""

    scores: NDArray[np.float64]
    """float64[n, K]: log-probabilities or votes, as they came."""
    targets: NDArray[Any]
    """[n, …], weak labels as the task's family has them. Of classes: probabilities float64[n, K]."""
    abstain: NDArray[np.bool_]
    """bool[n]."""
    truncated: int = 0
    unreadable: int = 0
    """Texts that reach its model empty or without one known token."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What the seed's summary says beside, as JSON."""
    shown: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Rows whose gold label the labeler was shown: what it says of them proves nothing."""
    probability: NDArray[np.float64] | None = None
    """float64[n], of each target by the labeler itself, where targets do not tell it."""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What else is kept of it, [n] each, by column."""
    order_sensitive: NDArray[np.bool_] | None = None
    """bool[n]: the answer changes with the order of the classes, where there are orders."""


def from_probabilities(
    probabilities: NDArray[np.float64],
    truncated: int,
    figures: Mapping[str, Any] | None = None,
    *,
    unreadable: int = 0,
    abstain: NDArray[np.bool_] | None = None,
) -> Opinion:
    """The opinion of a model on n texts, float64[n, K]; it answers always unless `abstain`, bool[n], says otherwise."""
    silent = np.zeros(len(probabilities), dtype=bool) if abstain is None else abstain
    scores = np.log(np.maximum(probabilities, 1e-30))
    return Opinion(scores, probabilities, silent, truncated, unreadable, figures or {})


def drawn_budget(
    context: StageContext, examples: Examples, gold: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Rows of a seed's gold budget that were drawn, in that order: a sample of the texts.

    Args:
        context: its spec says how large it is.
        examples: N texts.
        gold: labels of the budget, int64[N].
        seed: draws it.
    """
    budget = np.setdiff1d(examples.rows("budget"), asked_rows(context, examples))
    strata = family_of(context.spec).strata_of(gold[budget])
    return np.asarray(budget[draw(examples.ids.take(budget), strata, context.spec.data.gold_budget, seed)])


def teaching_budget(
    context: StageContext, examples: Examples, gold: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Rows of a seed's gold budget, those that were drawn first, then those that `w2s ask` chose.

    The latter are no sample: models and the combination learn from them, while a labeler's temperature, prior and shots
    are of those that were drawn (docs/protocol.md). Arguments as of `drawn_budget`.
    """
    asked = asked_rows(context, examples)
    order = draw(examples.ids.take(asked), np.zeros(len(asked), dtype=np.int64), None, seed)
    return np.concatenate([drawn_budget(context, examples, gold, seed), asked[order]])


def asked_rows(context: StageContext, examples: Examples) -> NDArray[np.int64]:
    """Rows of the budget that `w2s ask` chose, int64[n] ascending."""
    return read_asked(context.artifact("gold"), examples, context.scratch)


TO_PUBLISH = "labeler/"
"""In a `label` artifact: what the labeler needs to answer again, beside its settings and the models that they name."""


def place_to_publish(context: StageContext, seed: int) -> Path | None:
    """Where a labeler leaves what it needs to answer again; None for seeds that are not published, and in all shards but
    the first."""
    if seed not in (FIRST_SEED, EVERY_SEED) or context.shard[0] > 0:
        return None
    place = context.output / TO_PUBLISH
    place.mkdir(parents=True, exist_ok=True)
    return place


def path_of(context: StageContext, labeler: Labeler) -> str:
    """Says where a labeler is in the manifest, for errors."""
    place = [candidate.name for candidate in context.spec.weak.labelers].index(labeler.name)
    return f"spec.weak.labelers[{place}]"
