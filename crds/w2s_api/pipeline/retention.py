"""The stage `retention`."""

from collections.abc import Mapping

from w2s_api.families import family_of
from w2s_api.pipeline.builder import Builder
from w2s_api.pipeline.inputs import settings_of
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read, Role


def add_retention(
    build: Builder, spec: Spec, model: ModelReference, published: str
) -> Mapping[Role, tuple[str, ...]]:
    """What the published seed's model forgot; the role by which it is read. No stage where no weight was changed."""
    retention, strong = spec.evaluation.retention, spec.strong
    tuned = not strong.tuning.settings.on_frozen_model
    if retention is None or not (tuned or strong.adaptation.steps):
        return {}
    without = set() if family_of(spec.task).writes else {"prompts", "max_new_tokens"}
    build.add(
        "retention",
        "retention",
        {
            "evaluation.retention": settings_of(retention, without=without),
            "strong": {"model": strong.model},
        },
        ["retention"],
        {**build.examples, **({"student": (published,)} if tuned else {})},
        model=model,
        reads=(
            Read(retention.texts.uri, "data"),
            *([Read(strong.model.uri, "model")] if model.stage else []),
        ),
    )
    return {"retention": ("retention",)}
