"""Which stages a spec means, in what order, and what each depends on: a module for each part of the job."""

from w2s_api.pipeline.adaptation import add_adaptation
from w2s_api.pipeline.builder import FIRST_SEED, VERSIONS, Builder
from w2s_api.pipeline.combination import add_combination
from w2s_api.pipeline.finish import add_finish
from w2s_api.pipeline.outcome import add_evaluation, add_promotion
from w2s_api.pipeline.retention import add_retention
from w2s_api.pipeline.rounds import add_rounds
from w2s_api.pipeline.texts import add_texts
from w2s_api.pipeline.training import add_training
from w2s_api.pipeline.weak_labels import add_aggregation, add_labeling, add_selection
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage

__all__ = ["FIRST_SEED", "VERSIONS", "Builder", "pipeline"]


def pipeline(spec: Spec) -> tuple[Stage, ...]:
    """The stages of a spec, each after those it needs. Pure."""
    build = Builder()
    add_texts(build, spec)
    model = add_adaptation(build, spec)
    add_labeling(build, spec)
    add_aggregation(build, spec, model)
    add_selection(build, spec, model)
    add_training(build, spec, model)
    finished = add_finish(build, spec, model)
    published = finished.get(FIRST_SEED) or next(
        name for name in build.names("train") if name in ("train", f"train-strong-{FIRST_SEED}")
    )
    combined = add_combination(build, spec, model, finished)
    rounds = add_rounds(build, spec, model)
    retention = add_retention(build, spec, model, published)
    add_evaluation(build, spec, {**combined, **rounds, **retention})
    add_promotion(build, spec, model, published, combined, rounds)
    return tuple(build.stages.values())
