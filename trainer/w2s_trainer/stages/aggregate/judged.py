"""Aggregation `Judged`: of the labelers' texts the one that a model prefers by a rubric, asked in both orders ("Judging
LLM-as-a-judge with MT-Bench and Chatbot Arena", Zheng et al. 2023, arXiv 2306.05685)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import Judged
from w2s_trainer.data.inputs import sources_of
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.stages.aggregate.methods import Aggregated, Asked, Sources
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.judging.pairs import Preferences, pair_layout, prefer
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.tables import WeakLabels

MANY = 0.1
"""The share of questions without a verdict from which on somebody should look."""

Prefer = Callable[[int, NDArray[np.int64], NDArray[np.object_], NDArray[np.object_]], Preferences]
"""How far a judge prefers the texts of a round's challengers: of the round, rows int64[m], the challengers str[m] and those
that stand str[m]."""


def aggregate(settings: Judged, sources: Sources) -> Aggregated:
    """Takes for each text the one that the judge prefers; ties go to the labeler that the manifest names first."""
    assert sources.asked is not None
    labels = sources.labels
    written = np.stack([np.where(weak.abstain, "", weak.targets) for weak in labels.values()], axis=1)
    texts, figures = knockout(written, _judge(settings, sources.asked), float(settings.margin))
    return Aggregated(
        WeakLabels(texts, np.asarray(texts == "")),
        warnings=_doubts(settings, figures),
        figures={"judged": figures},
    )


def knockout(
    written: NDArray[np.object_], prefer: Prefer, margin: float
) -> tuple[NDArray[np.object_], dict[str, Any]]:
    """The texts that stand in the end, and what the judge said. Pure but for the judge.

    Args:
        written: str[n, V], what V labelers write, the first in the manifest first; empty where one abstains.
        prefer: the judge.
        margin: of both orders' mean over one half.

    Returns:
        str[n], empty where nobody answers; and counts of the `questions` (pairs of different texts), how many the later text
        won (`later`), how many the earlier (`earlier`), of `ties`, of those among these in which the judge would rather have
        said something else (`otherAnswers`), and the shares of questions in which it preferred a place whatever stood there
        (`position`).
    """
    standing = written[:, 0].copy()
    counts = dict.fromkeys(("questions", "later", "earlier", "ties", "otherAnswers"), 0)
    places = np.zeros(2)
    for round_, challengers in enumerate(written.T[1:], 1):
        standing = np.where(standing == "", challengers, standing)
        rows = np.array(
            [
                row
                for row, (one, other) in enumerate(zip(standing, challengers, strict=True))
                if other and normalised(one) != normalised(other)
            ],
            dtype=np.int64,
        )
        if not len(rows):
            continue
        said = prefer(round_, rows, challengers[rows], standing[rows])
        verdicts = said.verdicts(margin)
        standing[rows[verdicts > 0]] = challengers[rows[verdicts > 0]]
        for name, where in (("later", verdicts > 0), ("earlier", verdicts < 0), ("ties", verdicts == 0)):
            counts[name] += int(where.sum())
        counts["questions"] += len(rows)
        counts["otherAnswers"] += int(said.elsewhere.sum())
        places += np.array(said.position()) * len(rows)
    first, second = (places / max(1, counts["questions"])).round(6).tolist()
    return standing, {**counts, "position": {"first": first, "second": second}}


def _judge(settings: Judged, asked: Asked) -> Prefer:
    """The model of the settings; what it says is saved on the way."""
    context = asked.context

    def ask(
        round_: int, rows: NDArray[np.int64], ours: NDArray[np.object_], theirs: NDArray[np.object_]
    ) -> Preferences:
        model = asked.causal(settings.model.uri)
        layout = pair_layout(model.tokenizer, context.spec.task, settings.rubric)
        of_seed = "every-seed" if asked.seed < 0 else f"seed-{asked.seed}"
        return prefer(
            model,
            layout,
            list(sources_of(taken(asked.texts, rows))),
            ours.tolist(),
            theirs.tolist(),
            max_tokens=settings.max_tokens,
            batch_tokens=settings.batch_tokens,
            collect=SavedAnswers(context, rows, {"device": model.device, "chat": layout.chat}),
            name=f"judged-{of_seed}-{round_}",
            progress=partial(context.progress, "asking the judge"),
        )

    return ask


def _doubts(settings: Judged, figures: dict[str, Any]) -> tuple[str, ...]:
    questions, elsewhere, who = figures["questions"], figures["otherAnswers"], settings.model.uri
    doubts = []
    if elsewhere > MANY * questions:
        doubts.append(
            f"Judged: on {elsewhere:,} of {questions:,} pairs {who} would rather have said something else than A or B:"
            " there the text of the labeler that is named first stands. Name another judge."
        )
    if (biased := sum(figures["position"].values())) > 0.5:
        doubts.append(
            f"Judged: on {biased:.0%} of the pairs {who} preferred a place, whatever stood there: these are ties."
        )
    return tuple(doubts)
