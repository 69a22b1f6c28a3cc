"""One of the processes that pretrain together: pretraining_rank.py MODELS OUT. Leaves what it ended with in OUT."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "tuning"))

from tiny_kit import LORA, some_texts

from w2s_api.methods.tunings import Full
from w2s_trainer.tuning.blocks import Masking, pack
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.language_model import load_language_model
from w2s_trainer.tuning.language_objective import Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.mixture import Mixture
from w2s_trainer.tuning.order import Batches, Order
from w2s_trainer.tuning.world import World

TUNINGS: dict[str, Any] = {"llama": LORA, "bert": Full()}
REPLAYED = 8
"""Of the blocks that the causal model learns; the encoder learns without replay."""


def pretrain_one(models: Path, kind: str, world: World) -> tuple[Any, Checks]:
    """The model at the end of two epochs, and its losses on held-out blocks."""
    import numpy as np

    model = load_language_model(models / kind, tuning=TUNINGS[kind], name=kind)
    learnt, held_out = (
        pack(
            [model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in some_texts(n, seed)],
            model.frame,
            16,
        )
        for n, seed in ((24, 1), (6, 2))
    )
    question: Any = (
        model.question(0.15, kind) if model.causal else Masking(0.3, 1, np.arange(4, 54), frozenset({0}))
    )
    schedule = Schedule(epochs=2, batch_size=4, learning_rate=1e-4, batch_tokens=40, checks=2)
    checks = Checks()
    order: Batches = Order(len(learnt), schedule.batch_size, schedule.epochs, 0)
    if model.causal:
        domain = len(learnt) - REPLAYED
        order = Mixture((domain, REPLAYED), ((2 * domain, domain),), schedule.batch_size, 0)
    objective = LanguageObjective(learnt, question, steps=order.steps, seed=0, checks=checks)
    validation = HeldOutBlocks(held_out, question, objective=objective, checks=checks)
    model.make_tunable(world.rank)  # seeds that differ: a process that does not lead has to follow
    tune(
        model,
        objective,
        schedule,
        keeper=NoCheckpoints(),
        order=order,
        validation=validation,
        keep_best=False,
        world=world,
    )
    return model, checks


def main(models: Path, out: Path) -> None:
    import torch
    import torch.distributed as dist
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    world = World.join()
    for kind in TUNINGS:
        model, _ = pretrain_one(models, kind, world)
        save_file({name: one.clone() for name, one in model.state().items()}, out / f"{kind}.{world.rank}")
    world.wait()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
