"""The steps of the finish: one module for each of `w2s_api.methods.finish_steps`.

A module has the function `finish`.
"""

from typing import Any, Protocol

from w2s_api.methods.finish_steps import FinishSettings
from w2s_trainer.contract.context import StageContext
from w2s_trainer.methods import implementation
from w2s_trainer.stages.tables import Examples


class FinishMethod(Protocol):
    """The functions of a module."""

    def finish(self, context: StageContext, settings: Any, examples: Examples) -> tuple[Any, dict[str, Any]]:
        """Makes a student of the student before.

        Args:
            context: of the stage; `context.model` is the model that the student was tuned from, its role `student` the one
                before.
            settings: of the step.
            examples: of the job.

        Returns:
            The student, a `TunableModel` of the task's family that is tuned as the one before; and figures for the summary,
            as JSON.
        """


def finish_method(settings: FinishSettings) -> FinishMethod:
    """The implementation of a step."""
    return implementation(__package__ or "", type(settings))
