"""The training loop: from a student and an objective to a tuned student, whatever interrupts it on the way.

A step depends on the state before it and on nothing else: the order of the texts, the learning rate and the
random numbers of a step are functions of its number. So a run that goes on from a checkpoint ends where the
run that was never disturbed does, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.tuning.hopeless import looked_at, not_fallen
from w2s_trainer.tuning.keeper import Keeper
from w2s_trainer.tuning.objective import Objective, Validation
from w2s_trainer.tuning.order import Batches, Order, micro_batches, shares
from w2s_trainer.tuning.privacy import PrivateSteps
from w2s_trainer.tuning.schedule import Shape, learning_rate_factor
from w2s_trainer.tuning.state import Best, TrainingRun, TrainingState
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.tunable import TunableModel, diverged, seeded
from w2s_trainer.tuning.world import World

if TYPE_CHECKING:
    import torch

PASS_OVERHEAD = {"cpu": 48, "cuda": 4096}
"""What one more pass through a model costs beside its tokens, in tokens; on a CPU measured (docs/performance.md)."""
BETAS = (0.9, 0.999)
HELD_OUT_BATCHES = 4
"""A pass without gradients keeps no activations: it may be so much larger."""

S = TypeVar("S", bound=TunableModel)


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and in which portions."""

    epochs: int
    batch_size: int
    learning_rate: float
    shape: Shape = "Linear"
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    gradient_clipping: float = 1.0
    """0: gradients are taken as they are."""
    batch_tokens: int = 8192
    checks: int = 0
    """How often held-out texts are looked at."""
    abandon_after: float = 0.0
    """Share of the steps after which a loss that has not fallen ends the training. 0: none does."""
    seed: int = 0
    ranks: NDArray[np.float64] | None = None
    """float64[n], by which each epoch is ordered (`Order`); None: by lot alone."""


def tune(
    student: S,
    objective: Objective[S],
    schedule: Schedule,
    *,
    keeper: Keeper,
    order: Batches | None = None,
    validation: Validation[S] | None = None,
    keep_best: bool = True,
    stop: StopRequest | None = None,
    world: World | None = None,
    privacy: PrivateSteps | None = None,
    progress: Callable[..., None] = lambda *_given, **_figures: None,
    spent: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingState:
    """Tunes a student to the end of its schedule, from the newest checkpoint if there is one.

    Each step minimises Σᵢ wᵢ lᵢ / Σᵢ wᵢ over its batch, l being the objective's losses, by AdamW (Loshchilov & Hutter
    2019). The sum is over the whole batch, however it is cut.

    Args:
        student: made tunable; changed in place.
        objective: the examples that it is trained on, and its loss on each.
        schedule: how long and how fast.
        keeper: saves and restores.
        order: which rows each step is made of; None: all rows, in each epoch in another order.
        validation: says which state of the student is best; None keeps no best.
        keep_best: whether that state is kept; otherwise the held-out examples are looked at and nothing more.
        stop: when it is requested, the step is finished and saved.
        world: the processes that take part; None: this one alone.
        privacy: who takes part in a step, and what is learnt of them, where that is differentially private.
        progress: called with (phase, step, steps, loss=…).
        spent: seconds that the student cost before its first step.
        clock: seconds, monotonic.

    Returns:
        The state at the end.

    Raises:
        Stopped: it was asked to stop, and what was done is saved.
        BadSpec: the loss or its gradient is no longer a number, or the loss has not fallen where that ends it.
    """
    world = world or World()
    order = (
        privacy
        or order
        or Order(len(objective.weights), schedule.batch_size, schedule.epochs, schedule.seed, schedule.ranks)
    )
    optimizer = make_optimizer(student, schedule)
    state = TrainingState(seconds=spent)
    run = TrainingRun(student, optimizer, objective, state)
    keeper.restore(run)
    world.broadcast(student.state().values())  # the same fit has other last digits on another machine
    checks = _check_steps(order.steps, schedule.checks if validation else 0)

    progress("tuning", state.step, order.steps)
    while state.step < order.steps:
        began = clock()
        rate = schedule.learning_rate * learning_rate_factor(
            state.step, order.steps, schedule.warmup_fraction, schedule.shape
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        objective.begin(state.step / order.steps)
        rows = order.batch(state.step)
        with memory_bound():
            if privacy:
                outputs, loss = privacy.gradients(student, objective, rows, state.step, world)
            else:
                outputs, loss = _backward(student, objective, rows, schedule, state.step, world)
        length = _clip(student, schedule.gradient_clipping)
        if not (math.isfinite(loss) and math.isfinite(length)):
            raise diverged(
                f"The loss or its gradient is no longer a number at step {state.step + 1} of {order.steps}."
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.observe(rows, outputs)
        state.step += 1
        state.losses.append(loss)
        if schedule.abandon_after and state.step == looked_at(order.steps, schedule.abandon_after):
            _require_progress(state, order.steps)
        if validation and state.step in checks:
            _look(student, validation, schedule, state, keep_best)
        state.seconds += clock() - began

        stopping = world.agree(bool(stop and stop.requested), student.device)
        if world.leads:
            keeper.after_step(run, final=stopping or state.step == order.steps)
        progress("tuning", state.step, order.steps, loss=round(loss, 4))
        if stopping:
            world.wait()  # who ends early takes the others down with it, also the one that saves
            raise Stopped(
                "Stopped",
                f"Asked to stop at step {state.step} of {order.steps}; everything up to there is saved.",
                "Run it again to go on from there.",
            )
    return state


def make_optimizer(student: TunableModel, schedule: Schedule) -> "torch.optim.AdamW":
    """Makes AdamW over what is tuned; matrices decay, biases and norms do not."""
    import torch

    parameters = student.parameters().values()
    groups = [
        {
            "params": [parameter for parameter in parameters if parameter.ndim > 1],
            "weight_decay": schedule.weight_decay,
        },
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=schedule.learning_rate, betas=BETAS, fused=True
    )


def _backward(
    student: S,
    objective: Objective[S],
    rows: NDArray[np.int64],
    schedule: Schedule,
    step: int,
    world: World,
) -> "tuple[torch.Tensor, float]":
    """Computes gradients of a batch; returns the student's outputs float32[B, …], and the mean loss."""
    import torch

    lengths = objective.lengths[rows].tolist()
    overhead = PASS_OVERHEAD[student.device] + objective.tokens_a_pass
    cuts = micro_batches(lengths, schedule.batch_tokens, overhead=overhead, at_least=world.size)
    costs = [objective.tokens_a_pass + len(cut) * max(lengths[i] for i in cut) for cut in cuts]
    weights = torch.from_numpy(objective.weights[rows]).float().to(student.device)
    weights = weights / weights.sum()
    outputs = torch.zeros((len(rows), objective.output_size), device=student.device)
    loss = torch.zeros((), device=student.device)
    torch.manual_seed(seeded(schedule.seed, step, world.rank))  # dropout
    for index in shares(costs, world.size)[world.rank]:
        part = torch.from_numpy(cuts[index]).to(student.device)
        part_losses, part_outputs = objective.losses(student, rows[cuts[index]])
        part_loss = (weights[part] * part_losses).sum()
        part_loss.backward()  # type: ignore[no-untyped-call]
        loss += part_loss.detach()
        outputs[part] = part_outputs
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in student.parameters().values()
    ]
    world.all_reduce_sum([*gradients, outputs, loss])
    if world.size > 1:
        for parameter, gradient in zip(student.parameters().values(), gradients, strict=True):
            parameter.grad = gradient
    return outputs, float(loss)


def _clip(student: TunableModel, most: float) -> float:
    """Scales gradients down to a norm, 0 for any; says which norm they had."""
    import torch

    return float(torch.nn.utils.clip_grad_norm_(student.parameters().values(), most or math.inf))


def _require_progress(state: TrainingState, steps: int) -> None:
    if found := not_fallen(state.losses, steps):
        raise BadSpec(
            "TrainingHopeless",
            f"After {state.step:,} of {steps:,} steps the loss has not fallen: {found.latest:.4f}, mean of {found.steps:,}"
            f" steps, against {found.first:.4f} at the beginning.",
            "Try another `learningRate`, look at the weak labels, or leave `strong.training.earlyTermination` out.",
        )


def _check_steps(steps: int, checks: int) -> set[int]:
    """After which steps held-out texts are looked at: evenly, the last one included."""
    return {round(steps * number / checks) for number in range(1, checks + 1)} - {0}


def _look(
    student: S, validation: Validation[S], schedule: Schedule, state: TrainingState, keep_best: bool
) -> None:
    """Keeps the student if no earlier one had a lower loss on the held-out examples."""
    loss = validation.loss(student, HELD_OUT_BATCHES * schedule.batch_tokens)
    if keep_best and (state.best is None or loss < state.best.loss):
        state.best = Best(
            state.step, loss, {name: tensor.clone() for name, tensor in student.state().items()}
        )
