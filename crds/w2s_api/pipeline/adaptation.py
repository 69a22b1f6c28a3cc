"""The stages that change the strong model before anything learns from labels: `adapt-…`."""

from w2s_api.names import adaptation_stage
from w2s_api.pipeline.builder import Builder
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read


def add_adaptation(build: Builder, spec: Spec) -> ModelReference:
    """A stage for each step that changes the strong model; the model that everything after them reads."""
    strong = spec.strong
    model = ModelReference(uri=strong.model.uri)
    for place, step in enumerate(strong.adaptation.steps):
        settings = step.settings
        name = adaptation_stage(place, step.type)
        build.add(
            name,
            "adapt",
            {
                **({"strong": {"model": strong.model}} if model.uri else {}),
                "strong.adaptation.steps[]": step.result_settings(),
            },
            [step.method, *settings.uses()],
            build.examples,
            model=model,
            reads=(
                *(Read(uri, "data") for uri in dict.fromkeys(settings.sources())),
                *(Read(uri, "model") for uri in dict.fromkeys(settings.models())),
            ),
            processes=settings.processes,
            step=place,
        )
        model = ModelReference(stage=name)
    return model
