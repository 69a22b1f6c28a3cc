"""`adapt`: one step of the adaptation; a model is made of the model before it, in the Hugging Face layout."""

from pathlib import Path

from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.adapt.methods import Before, adaptation_method
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Does the step that the stage is for; its files are those of the model."""
    place = context.job.stage.step
    assert place is not None
    step = context.spec.strong.adaptation.steps[place]
    figures = adaptation_method(step.settings).adapt(context, step.settings)
    summary = {
        "type": step.type,
        "words": step.settings.in_words(),
        "model": context.model.name,
        "figures": figures,
    }
    told = (
        "steps",
        "texts",
        "added",
        "tokens",
        "lossBefore",
        "lossAfter",
        "parametersAfter",
        "seconds",
        "weights",
    )
    return StageResult(summary, {name: figures[name] for name in told if name in figures})


def check(spec: Spec, stage: Stage, objects: Objects, cache: Path) -> None:
    """What `prepare` can know of a step before a GPU is asked for.

    Raises:
        BadSpec, BadData: it could not be done; the message says which step it is.
    """
    assert stage.step is not None
    steps = spec.strong.adaptation.steps
    step = steps[stage.step]
    shapes_kept = all(earlier.settings.keeps_shapes for earlier in steps[: stage.step])
    before = Before(spec.strong.model.uri if shapes_kept else None, spec, objects, cache)
    try:
        adaptation_method(step.settings).check(before, step.settings)
    except BadSpec as error:
        where = f"spec.strong.adaptation.steps[{stage.step}]: "
        raise type(error)(error.reason, where + error.message, error.hint) from error


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints."""
    clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))
