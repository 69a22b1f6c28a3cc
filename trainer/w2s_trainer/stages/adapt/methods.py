"""The steps of the adaptation: one module for each of `w2s_api.methods.adaptation_steps`.

A module has the functions `adapt` and `check`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from w2s_api.methods.adaptation_steps import AdaptationSettings
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.methods import implementation
from w2s_trainer.models.adapter import is_adapter
from w2s_trainer.models.uri import fetch_directory
from w2s_trainer.store.objects import Objects


@dataclass(frozen=True)
class Before:
    """What is known of a step before anything was made."""

    model: str | None
    """URI of a model with the tokenizer and the shapes of the one that the step will get; None: not known."""
    spec: Spec
    objects: Objects
    cache: Path

    def directory(self, uri: str | None) -> Path | None:
        """The files of a model that is on this machine already; None of others, which the step itself looks at."""
        if uri is None or uri.partition("://")[0] not in ("py", "file"):
            return None
        directory = fetch_directory(uri, self.objects, self.cache)
        return None if is_adapter(path.name for path in directory.iterdir()) else directory


class AdaptationMethod(Protocol):
    """The functions of a module."""

    def adapt(self, context: StageContext, settings: Any) -> dict[str, Any]:
        """Writes the files of a model into `context.output`.

        Args:
            context: of the stage; `context.model` is the model before.
            settings: of the step.

        Returns:
            Figures for the summary, as JSON.
        """

    def check(self, before: Before, settings: Any) -> None:
        """Refuses what can be known to fail, without loading weights.

        Raises:
            BadSpec, BadData: it could not be done.
        """


def adaptation_method(settings: AdaptationSettings) -> AdaptationMethod:
    """The implementation of a step."""
    return implementation(__package__ or "", type(settings))
