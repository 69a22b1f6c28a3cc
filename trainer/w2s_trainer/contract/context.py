"""What a stage is given to work with."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Role
from w2s_trainer.contract.job import StageJob
from w2s_trainer.contract.model import StageModel
from w2s_trainer.contract.progress import Progress
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects


class Headway:
    """Whether this process has saved more of its work than it found: then it may be stopped without a charge.

    Args:
        mark: a file that appears with the first checkpoint, for a process that answers for this one.
    """

    def __init__(self, mark: Path | None = None) -> None:
        self.saved = False
        self._mark = mark

    def __call__(self, _step: int) -> None:
        """A checkpoint is complete in the store. Called from the thread that saves."""
        if self._mark and not self.saved:
            self._mark.touch()
        self.saved = True


@dataclass(frozen=True)
class StageContext:
    """What a stage is given: its frozen job, its input artifacts, the store, a place to write."""

    job: StageJob
    objects: Objects
    store: ArtifactStore
    progress: Progress
    output: Path
    """The directory whose files become the stage's artifact."""
    scratch: Path
    """A directory for downloads; gone afterwards."""
    cache: Path
    """A directory that outlives the process where there is one: models are kept there."""
    needs: dict[str, Artifact] = field(default_factory=dict)
    """The input artifacts by stage name, complete."""
    shard: tuple[int, int] = (0, 1)
    """(index, count)."""
    key: str = ""
    """The content key of the artifact to be made."""
    headway: Headway = field(default_factory=Headway)
    """Is told of each checkpoint."""

    def artifact(self, role: Role) -> Artifact:
        """Returns the input artifact of a role that one stage fills."""
        (artifact,) = self.artifacts(role)
        return artifact

    def artifacts(self, role: Role) -> list[Artifact]:
        """The input artifacts of a role, in the pipeline's order."""
        return [self.needs[name] for name in self.job.stage.roles[role]]

    @cached_property
    def model(self) -> StageModel:
        """The model that the stage labels with, tunes or publishes."""
        reference = self.job.stage.model
        assert reference is not None, f"stage {self.job.stage.name} has no model"
        artifact = self.needs[reference.stage] if reference.stage else None
        return StageModel(reference, self.objects, self.cache, artifact)

    def model_at(self, uri: str) -> StageModel:
        """A model that the stage asks beside its own; it must be among what the stage reads."""
        return StageModel(ModelReference(uri=uri), self.objects, self.cache)

    @property
    def spec(self) -> Spec:
        """The frozen spec."""
        return self.job.spec


@dataclass(frozen=True)
class StageResult:
    """What a stage says of its artifact."""

    summary: dict[str, Any]
    """Kept in the artifact's manifest; the stages after it read it."""
    figures: dict[str, Any] = field(default_factory=dict)
    """A few key figures for the last words."""
