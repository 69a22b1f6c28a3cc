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
    """The student before a step."""

    student: Any
    """A `TunableModel` of the task's family, made tunable, with the weights of the training."""
    base: "State"
    """What of it was tuned, as it was before: the same names."""
    tuned: "State"
    """What of it was tuned, as it is."""


def load_before(
    context: StageContext, precision: Precision, *, gradient_checkpointing: bool = False, dropout: float = 0.0
) -> StudentBefore:
    """Loads the model and puts the weights of the training in.

    Args:
        context: of the stage.
        precision: of the computations.
        gradient_checkpointing: compute activations twice in place of keeping them.
        dropout: while it is trained on.
    """
    from safetensors.torch import load_file

    seed = context.job.stage.seed
    assert seed is not None
    student = family_of(context.spec).load_student(
        context.model.directory,
        context.model.name,
        tuning=context.spec.strong.tuning.settings,
        dropout=dropout,
        precision=precision,
        gradient_checkpointing=gradient_checkpointing,
    )
    student.make_tunable(seed)
    base = {name: tensor.clone() for name, tensor in student.state().items()}
    weights = context.artifact("student").fetch(STUDENT, context.scratch / "student")
    student.load(load_file(weights))
    tuned = {name: tensor.clone() for name, tensor in student.state().items()}
    return StudentBefore(student, base, tuned)
