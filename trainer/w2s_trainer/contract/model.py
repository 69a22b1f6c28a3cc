"""The model of a stage, wherever it comes from: the one place where a model reference is resolved."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from w2s_api.stage import ModelReference
from w2s_trainer.store.artifacts import Artifact
from w2s_trainer.store.objects import Objects


@dataclass(frozen=True)
class StageModel:
    """A model by reference; it is fetched when its files are asked for."""

    reference: ModelReference
    objects: Objects
    cache: Path
    """Where fetched models are kept."""
    artifact: Artifact | None = None
    """That of the stage which makes it; None for one that is given by its URI."""

    @property
    def name(self) -> str:
        """What a person calls it: its URI, or the stage that makes it."""
        return self.reference.uri or f"the model of stage {self.reference.stage}"

    @cached_property
    def directory(self) -> Path:
        """Its files, in the Hugging Face layout.

        Raises:
            BadSpec: there is no such model, or it is not one.
        """
        from w2s_trainer.models.uri import fetch_model

        if self.artifact is None:
            return fetch_model(self.reference.uri, self.objects, self.cache)
        place = self.cache / "made" / self.artifact.key
        for name in self.artifact.files:
            self.artifact.fetch(name, place)
        return place

    @cached_property
    def digest(self) -> str:
        """What its content is known by."""
        from w2s_trainer.models.uri import model_digest

        return self.artifact.key if self.artifact else model_digest(self.reference.uri, self.objects)
