"""The stage `combine`."""

from collections.abc import Mapping

from w2s_api.arms import ARMS
from w2s_api.families import family_of
from w2s_api.methods.tunings import Head
from w2s_api.pipeline.builder import Builder
from w2s_api.pipeline.finish import before_gold
from w2s_api.pipeline.inputs import unless_default
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Role


def add_combination(
    build: Builder, spec: Spec, model: ModelReference, finished: Mapping[int, str]
) -> Mapping[Role, tuple[str, ...]]:
    """The combination reads what each of its sources is made from; the role by which it is read, if there is one."""
    if ARMS["combined"].absent(spec):
        return {}
    strong, evaluation, family = spec.strong, spec.evaluation, family_of(spec.task)

    def students(*arms: str | None) -> tuple[str, ...]:
        """Those of some arms, as they are in the end."""
        trained = (build.stages[name] for name in build.names("train"))
        return tuple(
            finished.get(stage.seed, stage.name)
            if stage.arm == "strong" and stage.seed is not None
            else stage.name
            for stage in trained
            if stage.arm in arms
        )

    if not family.has_heads:
        build.add(
            "combine",
            "combine",
            {
                **family.label_inputs(spec.task),
                "data.goldBudget": spec.data.gold_budget,
                "evaluation.seeds": unless_default(evaluation, "seeds"),
                "promotion.metric": spec.promotion.metric,
            },
            ["combine"],
            {
                **build.examples,
                "labels": ("aggregate",),
                "students": students("strong", "gold-only"),
                **before_gold(build, spec),
            },
        )
        return {"combination": ("combine",)}
    deep = not strong.tuning.settings.on_frozen_model
    build.add(
        "combine",
        "combine",
        {
            **family.question_inputs(spec.task),
            "strong": {"model": strong.model, "maxTokens": unless_default(strong, "max_tokens")},
            "data.goldBudget": spec.data.gold_budget,
            "evaluation.seeds": unless_default(evaluation, "seeds"),
        },
        ["combine", Head],
        {
            **build.examples,
            "labels": ("aggregate",),
            "students": students("strong" if deep else None),
        },
        model=model,
    )
    return {"combination": ("combine",)}
