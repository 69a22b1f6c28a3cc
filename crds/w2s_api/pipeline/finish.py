"""The stages that change a student after its training: `finish-…`."""

from collections.abc import Mapping

from w2s_api.arms import ARMS
from w2s_api.families import family_of
from w2s_api.names import finish_stage
from w2s_api.pipeline.builder import FIRST_SEED, Builder
from w2s_api.pipeline.inputs import taught_inputs, unless_default
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read, Role


def add_finish(build: Builder, spec: Spec, model: ModelReference) -> Mapping[int, str]:
    """A stage for each step and seed that changes a student after its training; the last one of each seed."""
    strong, evaluation = spec.strong, spec.evaluation
    seeds = range(FIRST_SEED, FIRST_SEED + evaluation.seeds)
    is_added_up = family_of(spec.task).has_heads and ARMS["combined"].absent(spec) is None
    asked = ["PoolSample"] if is_added_up else []
    finished: dict[int, str] = {}
    for place, step in enumerate(strong.finish.steps):
        settings = step.settings
        on_budget = {
            "data.goldBudget": spec.data.gold_budget,
            # What learns from the budget chooses nothing by it.
            "promotion.metric": None if settings.learns_budget else spec.promotion.metric,
        }
        for seed in seeds:
            before = finished.get(seed, f"train-strong-{seed}")
            name = finish_stage(place, step.type, seed)
            build.add(
                name,
                "finish",
                {
                    **taught_inputs(spec.task),
                    "strong": {
                        "model": strong.model,
                        "maxTokens": unless_default(strong, "max_tokens"),
                        "tuning": strong.tuning.result_settings(),
                    },
                    **(on_budget if settings.reads_budget else {}),
                    "strong.finish.steps[]": step.result_settings(),
                    "seed": seed,
                },
                [step.method, *settings.uses(), strong.tuning.method, *asked],
                {
                    **build.examples,
                    "student": (before,),
                    **({"labels": ("aggregate",)} if settings.reads_labels else {}),
                },
                model=model,
                reads=tuple(Read(uri, "data") for uri in dict.fromkeys(settings.sources())),
                processes=settings.processes,
                arm="strong",
                seed=seed,
                step=place,
            )
            finished[seed] = name
    return finished


def before_gold(build: Builder, spec: Spec) -> Mapping[Role, tuple[str, ...]]:
    """The students before the first step of the finish that learns from the gold budget, where there is one."""
    learns = [step.settings.learns_budget for step in spec.strong.finish.steps]
    if not any(learns):
        return {}
    first = learns.index(True)
    made = [stage for stage in build.stages.values() if stage.kind == "finish" and stage.step == first]
    return {"unfinished": tuple(name for stage in made for name in stage.roles["student"])}
