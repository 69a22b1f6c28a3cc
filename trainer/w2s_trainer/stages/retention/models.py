"""The two models that are compared, each with the output layer of its pretraining, in float32."""

from pathlib import Path
from typing import Any

from w2s_api.families import FAMILIES
from w2s_api.methods.tunings import Full
from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.model import StageModel
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_of
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.loading import weights_of_head
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.store.objects import Objects
from w2s_trainer.tuning.language_model import (
    LanguageModel,
    fills_in_tokens,
    load_language_model,
    without_head,
)


def before(context: StageContext) -> LanguageModel:
    """The strong model as it came.

    Raises:
        BadSpec: it has no output layer of its pretraining, or cannot be loaded.
    """
    return _language_model(context.model_at(context.spec.strong.model.uri), needs_head=True)


def tuned(context: StageContext) -> LanguageModel:
    """The model after adaptation and tuning, adapters merged.

    Of a classifier it is the body, under the output layer of the model that it was tuned from; where that layer is tied to
    the input embeddings, it is tied to the body's.
    """
    if "student" not in context.job.stage.roles:
        return _language_model(context.model)
    from safetensors.torch import load_file

    from w2s_trainer.stages.train.tuned import STUDENT

    strong, family = context.spec.strong, family_of(context.spec)
    tuning = strong.tuning.settings
    student = family.load_student(
        context.model.directory, context.model.name, tuning=tuning, precision="float32"
    )
    student.make_tunable(FIRST_SEED)
    student.load(load_file(context.artifact("student").fetch(STUDENT, context.scratch)))
    whole: Any = student.model.merge_and_unload() if tuning.leaves_adapter else student.model
    if FAMILIES[context.spec.task.type].writes:
        return LanguageModel(whole, student.tokenizer, student.device, "float32", Full(), 0.0, causal=True)
    model = _language_model(context.model)
    _put_body(model.inner.base_model, whole.base_model, context.model.name)
    return model


def check_base(spec: Spec, objects: Objects, cache: Path) -> None:
    """Refuses a strong model without the output layer of its pretraining; of one that is on this machine its config says so.

    Raises:
        BadSpec: nobody can say what such a model forgot.
    """
    uri = spec.strong.model.uri
    directory = Before(uri, spec, objects, cache).directory(uri)
    if directory is None or not (directory / "config.json").is_file():
        return
    if not (is_causal(directory) or fills_in_tokens(directory)):
        raise without_head(uri)


def _language_model(model: StageModel, *, needs_head: bool = False) -> LanguageModel:
    loaded = load_language_model(model.directory, tuning=Full(), name=model.name, starts_head=not needs_head)
    loaded.tokenizer.name_or_path = model.name
    return loaded


def _put_body(place: Any, body: Any, name: str) -> None:
    """Copies the weights of a body into a model; a pooler, which nothing here reads, is left out.

    Raises:
        BadSpec: the two have other weights.
    """
    missing, unexpected = place.load_state_dict(body.state_dict(), strict=False)
    others = [key for key in [*missing, *unexpected] if not weights_of_head(key)]
    if others:
        raise BadSpec(
            "AnotherBody",
            f"{name}: the body of the student has other weights than the model with its output layer ({others[0]}).",
            "Leave `evaluation.retention` out.",
        )
