"""One student from a manifest's settings: loaded, started, tuned, gone on with."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Finetuned
from w2s_api.methods.losses import CrossEntropy, LossSettings
from w2s_api.methods.tunings import TuningSettings
from w2s_api.spec.early_termination import EarlyTermination
from w2s_api.spec.privacy import Privacy
from w2s_api.spec.strong import Strong
from w2s_api.spec.tuning import Stopping, Training
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.private import private_steps, spent
from w2s_trainer.stages.resumable import ResumableTraining, schedule_of
from w2s_trainer.tuning.collapse import Alarm
from w2s_trainer.tuning.energy import EnergyMeter
from w2s_trainer.tuning.loop import Schedule
from w2s_trainer.tuning.state import TrainingState
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.training_set import TrainingSet
from w2s_trainer.tuning.tunable import TunableModel

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Recipe:
    """How a model is tuned: the part of a manifest that a student or a weak labeler is made from."""

    max_tokens: int
    batch_tokens: int
    tuning: TuningSettings
    training: Training
    loss: LossSettings
    l2: float | None
    """Of the head it starts from; None: chosen by cross-validation, for gold labels."""
    privacy: Privacy | None = None
    """What is promised to those whose texts it learns."""
    early_termination: EarlyTermination | None = None
    """When it is given up."""

    @classmethod
    def of_strong(cls, settings: Strong, *, on_gold: bool) -> "Recipe":
        """That of a student. Gold labels are taken at their word: plain cross-entropy, to the end."""
        training = settings.schedule
        if on_gold:
            training = training.model_copy(
                update={"stopping": Stopping(), "privacy": None, "early_termination": None, "order": "Random"}
            )
        return cls(
            settings.max_tokens,
            settings.batch_tokens,
            settings.tuning.settings,
            training,
            CrossEntropy() if on_gold else settings.loss.settings,
            None if on_gold else float(settings.tuning.head_settings.l2),
            training.privacy,
            training.early_termination,
        )

    @classmethod
    def of_labeler(cls, settings: Finetuned, batch_tokens: int) -> "Recipe":
        """That of a weak labeler, which is tuned on gold labels."""
        training = settings.schedule
        return cls(
            settings.max_tokens,
            batch_tokens,
            settings.tuning.settings,
            training.model_copy(update={"stopping": Stopping()}),
            CrossEntropy(),
            None,
        )


@dataclass(frozen=True)
class Tuned:
    """A tuned student."""

    student: Any
    """At the end of its schedule: a `TunableModel` of the task's family."""
    best: "dict[str, torch.Tensor] | None"
    """The weights that predicted held-out weak labels best, where that was asked for."""
    alarms: list[Alarm]
    figures: dict[str, Any]
    """What it took, as JSON."""


def tune_student(
    context: StageContext, recipe: Recipe, texts: Sequence[str], data: TrainingSet, *, name: str, seed: int
) -> Tuned:
    """Tunes a student, from its newest checkpoint if it has one.

    Args:
        context: the stage's; its checkpoints are kept beside its artifact.
        recipe: how.
        texts: n of them.
        data: their labels.
        name: tells the trainings of one stage apart.
        seed: of initialisation and order.
    """
    run = ResumableTraining.open(context, name)
    training = recipe.training
    family = family_of(context.spec)
    student = family.load_student(
        context.model.directory,
        context.model.name,
        tuning=recipe.tuning,
        dropout=float(training.dropout),
        precision=run.numbers.precision,
        gradient_checkpointing=training.gradient_checkpointing,
    )
    held_out = np.zeros(len(data), dtype=bool)
    if training.stopping.type == "WeakValidation":
        held_out = hold_out(data.families, float(training.stopping.validation.fraction), seed)
    kept, kept_texts = data.part(~held_out), _some(texts, ~held_out)
    began, meter = time.monotonic(), EnergyMeter()
    private = None
    if recipe.privacy:
        private = private_steps(run, recipe.privacy, training, rows=len(kept), name=name, seed=seed)
        family.start_unseeing(student)
    elif not run.checkpoint:
        family.start_student(
            student,
            kept_texts,
            kept,
            max_tokens=recipe.max_tokens,
            batch_tokens=recipe.batch_tokens,
            l2=recipe.l2,
            seed=seed,
            progress=partial(context.progress, "reading texts"),
        )
    student.make_tunable(seed)

    with StopRequest() as stop:
        objective = family.objective(
            student,
            kept_texts,
            kept,
            max_tokens=recipe.max_tokens,
            loss=recipe.loss,
            batch_size=training.batch_size,
        )
        validation = None
        if held_out.any():
            validation = family.validation(
                student, _some(texts, held_out), data.part(held_out), max_tokens=recipe.max_tokens
            )
        state = run.tune(
            student,
            objective,
            _schedule(recipe, kept, seed),
            interval=training.checkpoint_interval_seconds,
            validation=validation,
            stop=stop,
            privacy=private,
            spent=time.monotonic() - began,
        )
    return Tuned(
        student,
        state.best.state if state.best else None,
        objective.alarms(),
        {
            **_figures(state, student, len(kept), meter.joules() if not run.checkpoint else None),
            **objective.figures,
            **({"privacy": spent(private, recipe.privacy, state.step)} if private and recipe.privacy else {}),
        },
    )


def _schedule(recipe: Recipe, data: TrainingSet, seed: int) -> Schedule:
    stopping, early = recipe.training.stopping, recipe.early_termination
    schedule = schedule_of(
        recipe.training,
        learning_rate=recipe.tuning.rate,
        batch_tokens=recipe.batch_tokens,
        checks=stopping.validation.checks if stopping.type == "WeakValidation" else 0,
        abandon_after=float(early.after_fraction) if early else 0.0,
        seed=seed,
    )
    return replace(schedule, ranks=ranks_of(recipe.training.order, data.confidence))


def ranks_of(order: str, confidence: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """What an epoch is ordered by, float64[n], low first; None: by lot.

    Args:
        order: `strong.training.order`.
        confidence: float64[n], of the labels. Compared to six digits, which is what tables keep; None: nothing to order by.
    """
    if order == "Random" or confidence is None:
        return None
    return np.round(confidence, 6) * (-1.0 if order == "EasyToHard" else 1.0)


def hold_out(families: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which texts are held out: whole families, in the order of a hash, until the fraction is reached.

    Args:
        families: int64[n].
        fraction: of the n texts, at least; one family at least, and one stays.
        seed: draws other families.

    Returns:
        bool[n].
    """
    kinds, sizes = np.unique(families, return_counts=True)
    order = sorted(range(len(kinds)), key=lambda i: hashlib.sha256(f"{seed}\0{kinds[i]}".encode()).digest())
    held: list[int] = []
    for place in order[:-1]:
        if held and sizes[held].sum() >= fraction * len(families):
            break
        held.append(place)
    return np.isin(families, kinds[held])


def _some(texts: Sequence[str], mask: NDArray[np.bool_]) -> Sequence[str]:
    return taken(texts, np.flatnonzero(mask))


def _figures(state: TrainingState, student: TunableModel, texts: int, joules: float | None) -> dict[str, Any]:
    tuned = student.parameters().values()
    return {
        "texts": texts,
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "joules": None if joules is None else round(joules),
        "precision": student.precision,
        "device": student.device,
        "parameters": sum(parameter.numel() for parameter in tuned),
        "firstLoss": round(float(np.mean(state.losses[:5])), 5),
        "lastLoss": round(float(np.mean(state.losses[-5:])), 5),
        "best": {"step": state.best.step, "loss": round(state.best.loss, 5)} if state.best else None,
    }


def save_student(student: TunableModel, path: Path) -> None:
    """Writes what differs from the pretrained model, as safetensors."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state().items()}
    save_file(state, path)
