"""What a pairwise judge says of the arms on the gold test, and whether it knows what experts prefer (docs/protocol.md)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import Arm
from w2s_api.spec.evaluation import PairwiseJudge
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families.generation.errors import differs
from w2s_trainer.families.generation.mean_score import scores_of
from w2s_trainer.families.generation.scores import score_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.models.causal import load_causal
from w2s_trainer.stages.evaluate.bootstrap import Interval, family_weights, interval
from w2s_trainer.stages.evaluate.compare import Arms
from w2s_trainer.stages.judging.pairs import Preferences, pair_layout, prefer
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.select.ordered import order_of

TEACHER = "weak"
LEAST_DECIDED = 20
"""Items on which judge and experts both see a better text, below which nothing is known of the judge."""


def judged(
    context: StageContext,
    settings: PairwiseJudge,
    test: GoldTest,
    arms: Arms,
    candidate: Arm,
    rows: NDArray[np.int64],
    ids: Sequence[str],
    texts: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The `evaluation.judge` part of results.json: of the first seed, candidate and student against the teacher.

    Args:
        context: of the stage.
        settings: of the judge.
        test: n items.
        arms: what was answered.
        candidate: the arm that is compared to decide.
        rows: int64[n], of the examples.
        ids: of the n items.
        texts: of the n items.
        rng: of the bootstrap.

    Raises:
        BadSpec: the model cannot be asked so.
        OwnFault: memory ran out.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    sample = np.sort(order_of(ids)[: settings.sample])
    given = context.model_at(settings.model.uri)
    judge = load_causal(given.directory, given.name)
    layout = pair_layout(judge.tokenizer, context.spec.task, settings.question)
    part = np.zeros(len(rows), dtype=bool)
    part[sample] = True
    shown = [texts[int(item)] for item in sample]
    theirs = arms.answers[TEACHER].values[0][sample]
    pairs = []
    for name in dict.fromkeys((candidate.name, "strong")):
        ours = arms.answers[name].values[0][sample]
        asked = differs(ours, theirs)
        said = prefer(
            judge,
            layout,
            [text for text, is_asked in zip(shown, asked, strict=True) if is_asked],
            ours[asked].tolist(),
            theirs[asked].tolist(),
            max_tokens=settings.max_tokens,
            batch_tokens=settings.batch_tokens,
            collect=SavedAnswers(context, rows[sample[asked]], {"device": judge.device}),
            name=f"judge-{name}",
            progress=partial(context.progress, "asking the judge"),
        )
        pairs.append(
            {
                "arm": name,
                "baseline": TEACHER,
                **figures_of(test.part(part), ours, theirs, asked, said, float(settings.margin), rng),
            }
        )
    return {
        "model": settings.model.uri,
        "question": settings.question,
        "margin": float(settings.margin),
        "chat": layout.chat,
        "pairs": pairs,
    }


def figures_of(
    test: GoldTest,
    ours: NDArray[Any],
    theirs: NDArray[Any],
    asked: NDArray[np.bool_],
    said: Preferences,
    margin: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Wins, ties and losses of an arm, the judge's bias, and its agreement with the experts. Pure.

    Args:
        test: n items.
        ours: the arm's texts, str[n].
        theirs: the teacher's, str[n].
        asked: bool[n], where the two are not equal, m of them.
        said: of these m.
        margin: of a win over a tie.
        rng: of the bootstrap.
    """
    verdicts = np.zeros(len(asked), dtype=np.int64)
    verdicts[asked] = said.verdicts(margin)
    score = score_of(test.metric)
    better = np.sign(scores_of(score, ours, test.gold) - scores_of(score, theirs, test.gold)).astype(np.int64)
    _, families = np.unique(test.families, return_inverse=True)
    weights = family_weights(int(families.max()) + 1, rng)
    first, second = said.position()
    known = better != 0
    decided = known & (verdicts != 0)
    agrees = _mean_of((verdicts == better).astype(np.float64), decided, families, weights)
    return {
        "items": len(asked),
        "families": weights.shape[1],
        "equal": int((~asked).sum()),
        "otherAnswers": int(said.elsewhere.sum()),
        "wins": _share(verdicts > 0),
        "ties": _share(verdicts == 0),
        "losses": _share(verdicts < 0),
        "difference": _json(
            _mean_of(verdicts.astype(np.float64), np.ones(len(asked), bool), families, weights)
        ),
        "position": {"first": round(first, 6), "second": round(second, 6)},
        "gold": {
            "differ": int(known.sum()),
            "decided": int(decided.sum()),
            "agreement": _json(agrees),
            "isEvidence": agrees is not None and int(decided.sum()) >= LEAST_DECIDED and agrees.low > 0.5,
        },
    }


def _mean_of(
    values: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> Interval | None:
    """The mean of some of n values with its interval by families; None of no value."""
    if not chosen.any():
        return None
    count = weights.shape[1]
    sums = weights @ np.bincount(families[chosen], values[chosen], minlength=count)
    sizes = weights @ np.bincount(families[chosen], minlength=count).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(np.array([values[chosen].mean()]), sums / sizes)


def _json(found: Interval | None) -> dict[str, float] | None:
    return found.to_json() if found else None


def _share(where: NDArray[np.bool_]) -> float:
    return round(float(where.mean()), 6)
