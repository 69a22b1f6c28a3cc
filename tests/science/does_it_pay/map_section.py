"""What the page says of the failure map. Pure."""

from collections.abc import Iterable, Sequence

import numpy as np

from .declared import PRIMARY_STUDENT
from .failure_map import Hits, Jobs, Map, choose, fit, hits
from .outcomes import Outcome
from .predictors import PREDICTORS, predictors_of

HALVES = ("choosing", "confirming")
FEWEST = 3
"""Tasks of each half that must be in before a map is fitted."""
SEED = 20261129


def map_section(found: Sequence[Outcome], plot: str, complete: bool) -> str:
    """Title and text of the section.

    Args:
        found: jobs that came to their end.
        plot: the file of the plot.
        complete: whether all jobs of the study are in.
    """
    choosing, confirming = (jobs_of(found, half) for half in HALVES)
    title = "## Can one know beforehand?\n"
    if any(len(np.unique(jobs.task)) < FEWEST for jobs in (choosing, confirming)):
        return f"{title}\nToo few jobs are in to fit the map.\n"
    chosen, losses = choose(choosing)
    measured = hits(chosen, choosing, confirming, np.random.default_rng(SEED))
    best = sorted(losses, key=losses.__getitem__)[:5]
    listed = "; ".join(f"{', '.join(one) or 'none'}: {losses[one]:.3f}" for one in (*best, ()))
    back, _ = choose(confirming)
    other = hits(back, confirming, choosing, np.random.default_rng(SEED))
    alone = hits(fit(choosing, ("classes",)), choosing, confirming, np.random.default_rng(SEED))
    words = {
        (True, True): "support it",
        (True, False): "do not support it",
        (False, True): "would support it",
        (False, False): "would not support it",
    }
    verdict = f"**By the protocol's rule the data {words[complete, measured.supported]}.**"
    preview = (
        ""
        if complete
        else "Not all jobs are in, so this is a preview: the protocol measures once, at the end.\n"
    )
    return "\n".join(
        (
            title,
            preview,
            f"Chosen on the choosing half, measured on the confirming one: {describe(chosen)}. {count(measured)} {verdict}\n",
            f"Not declared beforehand: of the {len(np.unique(confirming.task))} confirming tasks {of_many(confirming)} have more than two"
            f" classes, of the {len(np.unique(choosing.task))} choosing ones {of_many(choosing)}; the map on `classes` alone hits"
            f" {alone.rate:.0%}. What is foretold may be little more than the number of classes.\n",
            f"Log loss of tasks held out, the five smallest and that of the constant answer: {listed}.\n",
            f"For comparison, the other way round: {describe(back)}. {count(other)}\n",
            f"![Gain over the teacher's skill]({plot})\n",
        )
    )


def adopted(chosen: Map, measured: Hits, page: str) -> str:
    """The line of `w2s_trainer.report.failure_map` with which the product uses a map."""
    figures = [
        tuple(round(float(one), 4) for one in many) for many in (chosen.mean, chosen.scale, chosen.weights)
    ]
    words = ", ".join(map(repr, (chosen.predictors, *figures, round(measured.rate, 3), page)))
    return f"MAP: FailureMap | None = FailureMap({words})"


def map_line(found: Sequence[Outcome], page: str, complete: bool) -> str:
    """What is to be done with the map: the line to adopt it by, if all jobs are in and the data support it."""
    choosing, confirming = (jobs_of(found, half) for half in HALVES)
    if not complete or any(len(np.unique(jobs.task)) < FEWEST for jobs in (choosing, confirming)):
        return "The product uses no map of this study yet: not all jobs are in."
    chosen, _ = choose(choosing)
    measured = hits(chosen, choosing, confirming, np.random.default_rng(SEED))
    if not measured.supported:
        return "By the protocol the product uses no map: the data do not support it. MAP stays None."
    return f"For trainer/w2s_trainer/report/failure_map.py:\n{adopted(chosen, measured, page)}"


def of_many(jobs: Jobs) -> int:
    """How many of the tasks have more than two classes."""
    return len(np.unique(jobs.task[jobs.x[:, PREDICTORS.index("classes")] > 1]))


def describe(chosen: Map) -> str:
    """A map in words."""
    if not chosen.predictors:
        return "no predictor, so the constant answer"
    terms = " ".join(
        f"{weight:+.2f} × ({name} − {mean:.2f}) / {scale:.2f}"
        for name, weight, mean, scale in zip(
            chosen.predictors, chosen.weights[1:], chosen.mean, chosen.scale, strict=True
        )
    )
    return f"log-odds of paying = {chosen.weights[0]:+.2f} {terms}"


def count(measured: Hits) -> str:
    """What a map is worth, in words."""
    warned, idle = measured.warned
    kept, promised = measured.promised
    return (
        f"Hit rate {measured.rate:.0%} of {measured.jobs} jobs (95 % over tasks: {measured.low:.0%} to {measured.high:.0%});"
        f" the constant answer {measured.constant:.0%}; better than that in {measured.better:.0%} of the resamplings. Of {idle} jobs"
        f" that do not pay it foretold {warned}; of {promised} that it foretold to pay {kept} do."
    )


def jobs_of(found: Iterable[Outcome], half: str) -> Jobs:
    """The jobs of a half that the failure map is about."""
    mine = [one for one in found if one.half == half and one.cell.student == PRIMARY_STUDENT]
    values = [predictors_of(one.known, one.cell.source == "tuned") for one in mine]
    return Jobs(
        np.array([[one[name] for name in PREDICTORS] for one in values]).reshape(-1, len(PREDICTORS)),
        np.array([one.pays for one in mine], dtype=bool),
        np.array([one.cell.task for one in mine], dtype=str),
    )
