"""Saves a training and finds it again: weights, optimiser, what the loss remembers, the best so far."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Protocol

from w2s_trainer.store.checkpoints import BackgroundSaver, Checkpoints, Found
from w2s_trainer.tuning.precision import Precision
from w2s_trainer.tuning.state import Best, TrainingRun
from w2s_trainer.tuning.tensors import below, named

if TYPE_CHECKING:
    import torch

    from w2s_trainer.tuning.tunable import TunableModel

FILE = "state.safetensors"
PARTS = ("student", "optimizer", "best")
"""What the names of tensors begin with that are not the objective's."""
FORMAT = 1
"""Of what is in a checkpoint, its tensors' names included. One of another format is passed over (`unfit`)."""


def unfit(meta: Mapping[str, Any]) -> str | None:
    """Why a training cannot go on from a checkpoint, as the second half of a sentence; None if it can."""
    written = meta.get("format")
    return None if written == FORMAT else f"it has format {written}, and this version reads {FORMAT}"


class Keeper(Protocol):
    """Where a training is saved."""

    def restore(self, run: TrainingRun) -> None:
        """Brings everything to where the newest checkpoint has it; leaves it as it is where there is none."""

    def after_step(self, run: TrainingRun, *, final: bool) -> None:
        """Called after each step; saves when it is time to, and at once when it is the final one of this run."""


class NoCheckpoints:
    """Saves nothing: for trainings of seconds."""

    def restore(self, run: TrainingRun) -> None:
        """There is nothing."""

    def after_step(self, run: TrainingRun, *, final: bool) -> None:
        """Nothing is kept."""


class StoreKeeper:
    """Saves to the store every so many seconds while training goes on, and at once when it is asked to stop."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        checkpoint: Found | None,
        *,
        interval: float,
        staging: Path,
        precision: Precision,
        threads: int,
        note: Callable[[str], None] = lambda _message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            checkpoints: of this training.
            found: the newest of them that is fit, downloaded, or None.
            interval: seconds from one save to the next.
            staging: a directory for files that are on their way.
            precision: what is computed in; a resumed training must go on in the same.
            threads: that torch uses, for the same reason.
            note: is told what a person should know.
            clock: seconds, monotonic.
        """
        self._saver = BackgroundSaver(checkpoints, note=note)
        self._checkpoint = checkpoint
        self._interval = interval
        self._staging = staging
        self._about = {"format": FORMAT, "precision": precision, "threads": threads}
        self._clock = clock
        self._last = clock()

    def restore(self, run: TrainingRun) -> None:
        """See Keeper."""
        if self._checkpoint is None:
            return
        from safetensors.torch import load_file

        tensors = load_file(self._checkpoint.directory / FILE)
        meta, state = self._checkpoint.meta, run.state
        run.student.load(below("student", tensors))
        _load_optimizer(run.optimizer, run.student, below("optimizer", tensors))
        run.objective.load(
            {name: tensor for name, tensor in tensors.items() if name.partition("/")[0] not in PARTS}
        )
        state.step, state.seconds, state.losses = meta["step"], meta["seconds"], list(meta["losses"])
        if best := meta["best"]:
            state.best = Best(best["step"], best["loss"], below("best", tensors))

    def after_step(self, run: TrainingRun, *, final: bool) -> None:
        """See Keeper. The end of the schedule is saved too: what comes after it may be interrupted as well."""
        if not final and self._clock() - self._last < self._interval:
            return
        from safetensors.torch import save_file

        state = run.state
        tensors = {
            **named("student", run.student.state()),
            **named("optimizer", _optimizer_state(run.optimizer, run.student)),
            **run.objective.state(),
            **named("best", state.best.state if state.best else {}),
        }
        directory = Path(mkdtemp(dir=self._staging, prefix="checkpoint-"))
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, directory / FILE
        )
        meta = {
            **self._about,
            "step": state.step,
            "seconds": state.seconds,
            "losses": state.losses,
            "best": {"step": state.best.step, "loss": state.best.loss} if state.best else None,
        }
        self._saver.submit(state.step, directory, meta)
        if final:
            try:
                self._saver.finish()
            finally:
                self._saver.close()
        self._last = self._clock()


def _optimizer_state(
    optimizer: "torch.optim.Optimizer", student: "TunableModel"
) -> "dict[str, torch.Tensor]":
    """What the optimiser knows of each parameter, as `<parameter>/<quantity>`."""
    return {
        f"{name}/{quantity}": value
        for name, parameter in student.parameters().items()
        for quantity, value in optimizer.state[parameter].items()
    }


def _load_optimizer(
    optimizer: "torch.optim.Optimizer", student: "TunableModel", saved: "Mapping[str, torch.Tensor]"
) -> None:
    parameters = student.parameters()
    for key, value in saved.items():
        name, _, quantity = key.rpartition("/")
        optimizer.state[parameters[name]][quantity] = value.to(parameters[name].device)
