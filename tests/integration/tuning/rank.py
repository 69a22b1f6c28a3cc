"""One of the processes that tune together: rank.py MODELS OUT. Leaves what it saw and ended with in OUT."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "tuning"))

from tiny_kit import LORA, Kept, keeper_of, load, objective_of, training_texts

from w2s_api.methods.tunings import Full
from w2s_trainer.errors import Stopped
from w2s_trainer.tuning.class_objective import ClassValidation
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.privacy import PrivateSteps
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.world import World

PRIVATE = PrivateSteps(rows=18, batch_size=4, epochs=2, clip_norm=0.5, noise=0.7, secret=b"secret")
RUNS: dict[str, dict[str, Any]] = {
    "adapters": {"kind": "bert", "tuning": LORA, "loss": "LogConf", "learning_rate": 1e-4},
    "full": {"kind": "llama", "tuning": Full(), "loss": "Product", "learning_rate": 1e-4},
    "private": {
        "kind": "bert",
        "tuning": LORA,
        "loss": "CrossEntropy",
        "learning_rate": 1e-4,
        "privacy": PRIVATE,
    },
}
STOP_AFTER = 4


def tune_one(
    models: Path,
    run: str,
    kept: Kept,
    world: World,
    *,
    stop: StopRequest | None = None,
    during: Callable[[int], None] = lambda _step: None,
    dropout: float = 0.0,
) -> tuple[Any, list[list[list[int]]]]:
    """The student, and the texts of each pass that this process took."""
    settings = RUNS[run]
    found = kept.newest()
    # Seeds that differ: a process that does not lead has to follow.
    student = load(models / settings["kind"], settings["tuning"], seed=world.rank, dropout=dropout)
    seen: list[list[list[int]]] = []
    one_pass = student.log_probs

    def log_probs(tokens: Any) -> Any:
        if student.model.training:
            seen[-1].extend(list(one) for one in tokens)
        return one_pass(tokens)

    def watch(_phase: str, step: int, _steps: int, **_figures: float) -> None:
        seen.append([])
        during(step)

    student.log_probs = log_probs
    schedule = Schedule(
        epochs=2, batch_size=4, learning_rate=settings["learning_rate"], batch_tokens=60, checks=3
    )
    tune(
        student,
        objective_of(settings["loss"], 4, training_texts(student, 18)),
        schedule,
        keeper=keeper_of(kept, kept.directory, found=found),
        validation=ClassValidation(*training_texts(student, 9, seed=5)),
        stop=stop,
        world=world,
        privacy=settings.get("privacy"),
        progress=watch,
    )
    return student, seen


def main(models: Path, out: Path) -> None:
    import torch
    import torch.distributed as dist
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    world = World.join()
    said: dict[str, Any] = {"size": world.size, "told": world.broadcast_object(f"rank {world.rank}")}

    for run in RUNS:
        kept = Kept(out / run / str(world.rank))
        student, seen = tune_one(models, run, kept, world)
        save_file({name: one.clone() for name, one in student.state().items()}, out / f"{run}.{world.rank}")
        said[run] = {"seen": seen, "saved": sorted(kept.all)}

    # A node that is drained: one of the processes is told to end.
    undisturbed = Kept(out / "undisturbed")
    tune_one(models, "adapters", undisturbed, world, dropout=0.2)
    kept = Kept(out / "stopped")  # one place for all: who does not lead must not write there
    with StopRequest() as stop:

        def drain(step: int) -> None:
            if step == STOP_AFTER - 1 and world.rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            tune_one(models, "adapters", kept, world, stop=stop, during=drain, dropout=0.2)
        except Stopped as error:
            said["stopped"] = {"reason": error.reason, "message": error.message, "saved": sorted(kept.all)}
    world.wait()
    resumed = Kept(out / "stopped")
    said["found"] = sorted(resumed.all)
    student, _ = tune_one(models, "adapters", resumed, world, dropout=0.2)
    save_file({name: one.clone() for name, one in student.state().items()}, out / f"resumed.{world.rank}")
    (out / f"said.{world.rank}.json").write_text(json.dumps(said))
    world.wait()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
