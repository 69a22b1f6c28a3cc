"""Selection `Judge`: a model rates a sample of the weak labels by a rubric, and a regression on its ratings rates the rest
(Ask-LLM, arXiv 2402.09668; the distillation after FineWeb-Edu, arXiv 2406.17557)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.families import family_of
from w2s_api.methods.selection_steps.judge import ENDS, Judge
from w2s_trainer.families.generation.grounded import grounding
from w2s_trainer.families.generation.repetition import ends_in_loop, length_ratio, repeated_share
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.stages.judging.rating import Rated, rate, rating_layout
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.select.distilled import Distilled, blocks, cannot_distil, distil, rate_all
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.ranking import best_per_class, counts
from w2s_trainer.stages.tables import write_table


@dataclass(frozen=True)
class Ratings:
    """What n texts are rated, by a judge or by what was distilled from it."""

    values: NDArray[np.float64]
    """float64[n]; not a number where there is no rating."""
    by_judge: NDArray[np.bool_]
    """bool[n]: the rating is the judge's own."""
    distilled: Distilled | None
    doubt: str = ""
    """Why nothing was distilled although some texts have no rating of the judge's own, a clause."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool[n]: there is a rating."""
        return np.asarray(~np.isnan(self.values))


def select(settings: Judge, candidates: Candidates) -> Kept:
    """Keeps the texts that are rated highest; all, if the judge rates too few or its ratings cannot be learnt."""
    texts = Ordered.of(candidates)
    asked = min(settings.sample, len(texts.places))
    rated = ask(settings, candidates, texts, asked)
    ratings = ratings_of(settings, candidates, texts, rated)
    labels = np.zeros(len(texts.places), dtype=np.int64) if _writes(candidates) else texts.labels
    kept = keep(settings, labels, ratings, asked)
    _write(settings, candidates, texts, ratings, rated, kept)
    figures, notes = audit(settings, rated, ratings, kept)
    if not _writes(candidates):
        figures["dropped"] = counts(texts.names, texts.labels[~kept])
    return texts.kept(kept, texts.weights, figures, notes)


def ask(settings: Judge, candidates: Candidates, texts: Ordered, count: int) -> Rated:
    """Has the judge rate the first texts; what it said is saved on the way."""
    context = candidates.context
    rows = candidates.rows[texts.places[:count]]
    given = context.model_at(settings.model.uri)
    judge = load_causal(given.directory, given.name)
    layout = rating_layout(judge.tokenizer, context.spec.task, settings.rubric, settings.scale)
    return rate(
        judge,
        layout,
        settings.scale,
        list(candidates.examples.texts.take(rows)),
        said_of(candidates, texts.targets[:count]),
        max_tokens=settings.max_tokens,
        batch_tokens=settings.batch_tokens,
        collect=SavedAnswers(context, rows, {"device": judge.device, "chat": layout.chat}),
        name=_name(settings, candidates.seed),
        progress=partial(context.progress, "asking the judge"),
    )


def said_of(candidates: Candidates, targets: NDArray[Any]) -> Sequence[str]:
    """Weak labels [n, …] as a judge reads them: the text that was written, or the name of the class."""
    if _writes(candidates):
        return [str(text) for text in targets.tolist()]
    task = candidates.context.spec.task
    names = family_of(task).label_names(task) or ()
    return [names[place] for place in targets.argmax(axis=1).tolist()]


def ratings_of(settings: Judge, candidates: Candidates, texts: Ordered, rated: Rated) -> Ratings:
    """The judge's own ratings, and for the other texts those of a regression on them, if it learnt something."""
    count, size = len(texts.places), len(rated.ratings)
    values, by_judge = np.full(count, np.nan), np.zeros(count, dtype=bool)
    by_judge[:size] = usable = _usable(settings, rated)
    values[by_judge] = rated.ratings[usable]
    if by_judge.all():
        return Ratings(values, by_judge, None)
    if doubt := cannot_distil(values[by_judge], texts.families[by_judge]):
        return Ratings(values, by_judge, None, doubt)
    rows = inputs_of(candidates, texts)
    distilled = distil(
        rows[by_judge], values[by_judge], texts.families[by_judge], settings.folds, max(candidates.seed, 0)
    )
    if not distilled.learnt:
        told = distilled.to_json()
        return Ratings(
            values,
            by_judge,
            distilled,
            f"out of fold the squared error of the regression on its ratings was {told['squaredError']:.3f}, and that of saying"
            f" their mean {told['baseSquaredError']:.3f}: not better by more than the standard error of"
            f" {told['standardError']:.3f}",
        )
    values[~by_judge] = np.clip(rate_all(distilled.ridge, rows[~by_judge]), *ENDS[settings.scale])
    return Ratings(values, by_judge, distilled)


def keep(settings: Judge, labels: NDArray[np.int64], ratings: Ratings, asked: int) -> NDArray[np.bool_]:
    """Which of n texts are kept, bool[n].

    A share is taken of the judge's own ratings and of the distilled ones apart: the latter are nearer to their mean, so that
    together they would be neither the best nor the worst.

    Args:
        settings: of the step.
        labels: int64[n], classes; all 0 where texts are written.
        ratings: of the n texts; those the judge was asked about come first.
        asked: how many these are.
    """
    every = np.ones(len(labels), dtype=bool)
    if ratings.doubt and (asked < len(labels) or not ratings.by_judge.any()):
        return every
    known = ratings.known
    if settings.minimum is not None:
        return np.asarray(~known | (np.where(known, ratings.values, 0.0) >= float(settings.minimum)))
    assert settings.keep_fraction is not None
    groups = 2 * labels[known] + ratings.by_judge[known]
    every[known] = best_per_class(groups, ratings.values[known], float(settings.keep_fraction))
    return every


def inputs_of(candidates: Candidates, texts: Ordered) -> NDArray[np.float32]:
    """What the regression reads: where the text is, where its weak label is, and what can be counted; float32[n, …]."""
    if not _writes(candidates):
        return np.hstack([blocks(texts.features()), np.eye(len(texts.names), dtype=np.float32)[texts.labels]])
    context, strong = candidates.context, candidates.context.spec.strong
    encoder = load_encoder(context.model.directory, context.model.name)
    written = [str(text) for text in texts.targets.tolist()]
    of_texts, _ = encoder.features(
        written, strong.max_tokens, strong.batch_tokens, partial(context.progress, "reading weak texts")
    )
    sources = candidates.examples.texts.take(candidates.rows[texts.places])
    surface = np.array([surface_of(*pair) for pair in zip(written, sources, strict=True)])
    spread = surface - surface.mean(axis=0)
    surface = spread / np.maximum(spread.std(axis=0), 1e-6) / np.sqrt(surface.shape[1])
    return np.hstack([blocks(texts.features(), of_texts), surface.astype(np.float32)])


def surface_of(text: str, source: str) -> tuple[float, ...]:
    """What can be counted of a text: how much of it stands in its source, its length, and whether it repeats itself."""
    return (
        grounding(text, source).share,
        float(np.log1p(len(text))),
        float(np.log(length_ratio(text, source))),
        repeated_share(text),
        float(ends_in_loop(text)),
    )


def audit(
    settings: Judge, rated: Rated, ratings: Ratings, kept: NDArray[np.bool_]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The figures of the audit, and what a reader must know."""
    usable, known = _usable(settings, rated), ratings.known
    elsewhere = int((~usable).sum())
    figures: dict[str, Any] = {
        "asked": len(usable),
        "rated": int(usable.sum()),
        "otherAnswers": elsewhere,
        "meanMass": _mean(rated.mass),
        "ratings": _quantiles(rated.ratings[usable]),
        "distilled": ratings.distilled.to_json() if ratings.distilled else None,
        "meanRating": {"kept": _mean(ratings.values[kept & known]), "dropped": _mean(ratings.values[~kept])},
    }
    notes = []
    if elsewhere:
        notes.append(
            f"Judge: of {len(usable):,} answers of {settings.model.uri}, {elsewhere:,} gave less than {settings.least_mass} of"
            " their probability to a rating: it would rather have said something else, and these were not used."
        )
    if ratings.doubt:
        what = "every text" if kept.all() else "every text without a rating"
        notes.append(f"Judge kept {what}: {ratings.doubt}.")
    if len(kept) < settings.sample:
        notes.append(
            f"Judge rated every text itself: `sample` is {settings.sample:,}, and there are {len(kept):,}."
        )
    return figures, tuple(notes)


def _write(
    settings: Judge,
    candidates: Candidates,
    texts: Ordered,
    ratings: Ratings,
    rated: Rated,
    kept: NDArray[np.bool_],
) -> None:
    mass = np.full(len(kept), np.nan)
    mass[: len(rated.mass)] = rated.mass
    write_table(
        {
            "id": texts.candidates.ids.take(texts.places).arrow(),
            "rating": ratings.values.astype(np.float32),
            "byJudge": ratings.by_judge,
            "mass": mass.astype(np.float32),
            "kept": kept,
        },
        candidates.context.output / f"ratings-{_name(settings, candidates.seed)}.parquet",
    )


def _name(settings: Judge, seed: int) -> str:
    """Tells the collections of one selection apart: several judges, several seeds."""
    said = json.dumps(settings.result_settings(), sort_keys=True)
    of_seed = "every-seed" if seed < 0 else f"seed-{seed}"
    return f"judge-{sha256(said.encode()).hexdigest()[:8]}-{of_seed}"


def _usable(settings: Judge, rated: Rated) -> NDArray[np.bool_]:
    """Where the judge would rather give a rating than say something else, bool[n]."""
    return np.asarray(rated.mass >= float(settings.least_mass))


def _writes(candidates: Candidates) -> bool:
    return family_of(candidates.context.spec.task).writes


def _quantiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    shares = {"p05": 0.05, "median": 0.5, "p95": 0.95}
    return (
        {name: round(float(np.quantile(values, q)), 4) for name, q in shares.items()} if len(values) else None
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 6) if len(known) else None
