"""The student before a step of the finish, as a model that can be asked and changed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.train.tuned import STUDENT
from w2s_trainer.tuning.precision import Precision

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StudentBefore:
    """The student before a step, and the model that it was tuned from."""

    student: Any
    """A `TunableModel` of the task's family, made tunable."""
    base: "State"
    """What of it is tuned, as it was before the training."""
    tuned: "State"
    """The same weights after it."""

    @classmethod
    def load(cls, context: StageContext, precision: Precision) -> "StudentBefore":
        """Arguments as of `load_student_before`. The student has the weights after the training."""
        student = _load(context, precision)
        base = {name: tensor.clone() for name, tensor in student.state().items()}
        student.load(_weights(context))
        return cls(student, base, {name: tensor.clone() for name, tensor in student.state().items()})


def load_student_before(
    context: StageContext, precision: Precision, *, gradient_checkpointing: bool = False, dropout: float = 0.0
) -> Any:
    """The student before a step, a `TunableModel` of the task's family, made tunable.

    Args:
        context: of the stage.
        precision: of the computations.
        gradient_checkpointing: compute activations twice in place of keeping them.
        dropout: while it is trained on.
    """
    student = _load(context, precision, gradient_checkpointing=gradient_checkpointing, dropout=dropout)
    student.load(_weights(context))
    return student


def _load(context: StageContext, precision: Precision, *, dropout: float = 0.0, **more: Any) -> Any:
    seed = context.job.stage.seed
    assert seed is not None
    student = family_of(context.spec).load_student(
        context.model.directory,
        context.model.name,
        tuning=context.spec.strong.tuning.settings,
        dropout=dropout,
        precision=precision,
        **more,
    )
    student.make_tunable(seed)
    return student


def _weights(context: StageContext) -> "State":
    from safetensors.torch import load_file

    return load_file(context.artifact("student").fetch(STUDENT, context.scratch / "student"))
