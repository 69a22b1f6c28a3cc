"""A training of a stage that is saved, stopped and gone on with: whatever is trained, by whichever objective."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_api.spec import tuning as spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import StoreUnavailable
from w2s_trainer.store.checkpoints import Checkpoints, Found
from w2s_trainer.tuning.keeper import StoreKeeper, unfit
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.numerics import NumericSettings, agree_on_numerics
from w2s_trainer.tuning.objective import Objective
from w2s_trainer.tuning.precision import precision_of
from w2s_trainer.tuning.state import TrainingState
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.world import World


@dataclass(frozen=True)
class ResumableTraining:
    """One training, from its newest checkpoint if it has one, in the numbers that it began with."""

    context: StageContext
    world: World
    checkpoints: Checkpoints
    checkpoint: Found | None
    """What it goes on from; None: it begins."""
    numbers: NumericSettings

    @classmethod
    def open(cls, context: StageContext, name: str) -> "ResumableTraining":
        """Finds out where the training is, and computes with its number of threads from now on.

        Args:
            context: of the stage; checkpoints are kept beside its artifact.
            name: tells the trainings of one stage apart.

        Raises:
            StoreUnavailable: this process cannot read the checkpoint that the leading one goes on from.
        """
        import torch

        world, note = World.join(), context.progress.note
        home = context.store.home_uri(context.job.stage.kind, context.key)
        checkpoints = Checkpoints(context.objects, home, name, unfit=unfit, note=note, saved=context.headway)
        checkpoint = _common_checkpoint(checkpoints, context.scratch / "checkpoints", world)
        if checkpoint:
            numbers = NumericSettings(checkpoint.meta["precision"], checkpoint.meta["threads"])
            note(f"going on from step {checkpoint.step}")
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            proposed = NumericSettings(precision_of(device), torch.get_num_threads())
            numbers = world.broadcast_object(
                agree_on_numerics(context.objects, home, proposed) if world.leads else proposed
            )
        torch.set_num_threads(numbers.threads)
        return cls(context, world, checkpoints, checkpoint, numbers)

    def tune(
        self,
        student: Any,
        objective: Objective[Any],
        schedule: Schedule,
        *,
        interval: float,
        stop: StopRequest,
        spent: float,
        **more: Any,
    ) -> TrainingState:
        """Tunes a model to the end of its schedule (`tuning.loop.tune`).

        Args:
            student: made tunable; changed in place.
            objective: what it is trained on.
            schedule: how long and how fast.
            interval: seconds between checkpoints.
            stop: it is saved and ends when that is asked for.
            spent: seconds since it began, before the first step.
            more: as of the loop.

        Raises:
            Stopped: it was asked to stop, and what was done is saved.
        """
        return tune(
            student,
            objective,
            schedule,
            keeper=StoreKeeper(
                self.checkpoints,
                self.checkpoint,
                interval=interval,
                staging=self.context.scratch,
                precision=self.numbers.precision,
                threads=self.numbers.threads,
                note=self.context.progress.note,
            ),
            stop=stop,
            world=self.world,
            progress=self.context.progress,
            spent=spent,
            **more,
        )


def schedule_of(
    training: spec.Schedule,
    *,
    learning_rate: float,
    batch_tokens: int,
    seed: int,
    checks: int = 0,
    abandon_after: float = 0.0,
) -> Schedule:
    """The schedule of a manifest, in numbers."""
    return Schedule(
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=learning_rate,
        shape=training.schedule,
        warmup_fraction=float(training.warmup_fraction),
        weight_decay=float(training.weight_decay),
        gradient_clipping=float(training.gradient_clipping),
        batch_tokens=batch_tokens,
        checks=checks,
        abandon_after=abandon_after,
        seed=seed,
    )


def _common_checkpoint(checkpoints: Checkpoints, directory: Path, world: World) -> Found | None:
    """Returns the checkpoint that all processes go on from: the newest that the leading process can read."""
    checkpoint = checkpoints.newest(directory) if world.leads else None
    step = world.broadcast_object(checkpoint.step if checkpoint else None)
    if world.leads or step is None:
        return checkpoint
    checkpoint = checkpoints.newest(directory, step_at_most=step)
    if checkpoint is None or checkpoint.step != step:
        raise StoreUnavailable(
            "CheckpointGone", f"Process {world.rank} cannot read the checkpoint of step {step}.", "Try again."
        )
    return checkpoint
