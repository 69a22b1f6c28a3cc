"""The model of a labeler of type Finetuned beyond a head, whatever the kind of task: tuned, and as it was published."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Finetuned
from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import place_to_publish
from w2s_trainer.stages.tables import Examples

if TYPE_CHECKING:
    from w2s_trainer.stages.session import Tuned

_STUDENT = "student.safetensors"


def tuned_on_budget(
    context: StageContext,
    labeler: Labeler,
    examples: Examples,
    targets: NDArray[Any],
    drawn: NDArray[np.int64],
    seed: int,
) -> "Tuned":
    """The model, tuned on a seed's budget; what differs from the pretrained one is left to be published.

    Each shard tunes for itself, to the same model: they may run side by side, and none waits for another.

    Args:
        context: of the stage.
        labeler: of type Finetuned.
        examples: of the job.
        targets: of the budget, [n, …].
        drawn: its rows, int64[n].
        seed: of initialisation and order.

    Raises:
        Stopped: it was asked to stop; what was tuned so far is saved.
    """
    from w2s_trainer.stages.session import Recipe, save_student, tune_student
    from w2s_trainer.tuning.training_set import TrainingSet

    index, count = context.shard
    name = f"seed-{seed}" if count == 1 else f"seed-{seed}-shard-{index}-of-{count}"
    data = TrainingSet(drawn, targets, np.ones(len(drawn)), examples.families[drawn])
    recipe = Recipe.of_labeler(labeler.settings, labeler.batch_tokens)
    tuned = tune_student(context, recipe, examples.texts.take(drawn), data, name=name, seed=seed)
    if place := place_to_publish(context, seed):
        save_student(tuned.student, place / _STUDENT)
    return tuned


def published_student(settings: Finetuned, published: Published) -> Any:
    """The model as it was tuned on the first seed's budget: a `TunableModel` of the task's family."""
    from safetensors.torch import load_file

    uri = settings.model.uri
    student = published.family.load_student(
        published.models(uri), uri, tuning=settings.tuning.settings, dropout=0.0, precision="float32"
    )
    student.make_tunable(FIRST_SEED)
    student.load(load_file(published.directory / _STUDENT))
    return student
