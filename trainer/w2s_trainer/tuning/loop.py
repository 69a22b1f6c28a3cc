"""The training loop: from a student and its targets to a tuned student, whatever interrupts it on the way.

A step depends on the state before it and on nothing else: the order of the texts, the learning rate and the
random numbers of a step are functions of its number. So a run that goes on from a checkpoint ends where the
run that was never disturbed does, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import Stopped
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.tuning.collapse import ClassShares
from w2s_trainer.tuning.keeper import Keeper
from w2s_trainer.tuning.losses import Targets, cross_entropy
from w2s_trainer.tuning.order import Order, micro_batches, shares
from w2s_trainer.tuning.schedule import Shape, learning_rate_factor
from w2s_trainer.tuning.state import Best, TrainingRun, TrainingState
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.student import Student, diverged, seeded
from w2s_trainer.tuning.training_set import TrainingSet
from w2s_trainer.tuning.world import World

if TYPE_CHECKING:
    import torch

PASS_OVERHEAD = {"cpu": 48, "cuda": 4096}
"""What one more pass through a model costs beside its tokens, in tokens; on a CPU measured (docs/performance.md)."""
BETAS = (0.9, 0.999)
HELD_OUT_BATCHES = 4
"""A pass without gradients keeps no activations: it may be so much larger."""


Tokens = Sequence[Sequence[int]]
"""Of n texts, cut to what is read of them."""


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
    seed: int = 0


def tune(
    student: Student,
    tokens: Tokens,
    data: TrainingSet,
    targets: Targets,
    schedule: Schedule,
    *,
    keeper: Keeper,
    held_out: tuple[Tokens, TrainingSet] | None = None,
    stop: StopRequest | None = None,
    world: World | None = None,
    progress: Callable[..., None] = lambda *_given, **_figures: None,
    spent: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[TrainingState, ClassShares]:
    """Tunes a student to the end of its schedule, from the newest checkpoint if there is one.

    Each step minimises Σᵢ wᵢ CE(student(xᵢ), qᵢ) / Σᵢ wᵢ over its batch, q being what `targets` makes of the weak
    labels, by AdamW (Loshchilov & Hutter 2019). The sum is over the whole batch, however it is cut.

    Args:
        student: made tunable; changed in place.
        tokens: of the n texts that it is trained on.
        data: their labels; weights are above 0.
        targets: what of them it is trained to.
        schedule: how long and how fast.
        keeper: saves and restores.
        held_out: tokens and weak labels of texts that say which student is best; None keeps no best.
        stop: when it is requested, the step is finished and saved.
        world: the processes that take part; None: this one alone.
        progress: called with (phase, step, steps, loss=…).
        spent: seconds that the student cost before its first step.
        clock: seconds, monotonic.

    Returns:
        The state at the end, and what the student decided in its last steps.

    Raises:
        Stopped: it was asked to stop, and what was done is saved.
        BadSpec: the loss or its gradient is no longer a number.
    """
    world = world or World()
    order = Order(len(data), schedule.batch_size, schedule.epochs, schedule.seed)
    optimizer = make_optimizer(student, schedule)
    decided = ClassShares(data.targets.shape[1], window=max(len(data), schedule.batch_size))
    state = TrainingState(seconds=spent)
    run = TrainingRun(student, optimizer, targets, decided, state)
    keeper.restore(run)
    world.broadcast(student.state().values())  # the same fit has other last digits on another machine
    checks = _check_steps(order.steps, schedule.checks if held_out else 0)

    progress("tuning", state.step, order.steps)
    while state.step < order.steps:
        began = clock()
        rate = schedule.learning_rate * learning_rate_factor(
            state.step, order.steps, schedule.warmup_fraction, schedule.shape
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        targets.begin(state.step / order.steps)
        rows = order.batch(state.step)
        with memory_bound():
            log_probs, weak, loss = _backward(
                student, tokens, data, rows, targets, schedule, state.step, world
            )
        length = _clip(student, schedule.gradient_clipping)
        if not (math.isfinite(loss) and math.isfinite(length)):
            raise diverged(
                f"The loss or its gradient is no longer a number at step {state.step + 1} of {order.steps}."
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        targets.observe(log_probs)
        decided.observe(log_probs, weak)
        state.step += 1
        state.losses.append(loss)
        if held_out and state.step in checks:
            _look(student, *held_out, schedule, state)
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
    return state, decided


def make_optimizer(student: Student, schedule: Schedule) -> "torch.optim.AdamW":
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
    student: Student,
    tokens: Tokens,
    data: TrainingSet,
    rows: NDArray[np.int64],
    targets: Targets,
    schedule: Schedule,
    step: int,
    world: World,
) -> "tuple[torch.Tensor, torch.Tensor, float]":
    """Computes gradients of a batch; returns its log-probabilities and weak labels float32[B, K], and mean loss."""
    import torch

    lengths = [len(tokens[row]) for row in rows]
    cuts = micro_batches(
        lengths, schedule.batch_tokens, overhead=PASS_OVERHEAD[student.device], at_least=world.size
    )
    costs = [len(cut) * max(lengths[i] for i in cut) for cut in cuts]
    weak = torch.from_numpy(data.targets[rows]).float().to(student.device)
    weights = torch.from_numpy(data.weights[rows]).float().to(student.device)
    weights = weights / weights.sum()
    log_probs = torch.zeros_like(weak)
    loss = torch.zeros((), device=student.device)
    torch.manual_seed(seeded(schedule.seed, step, world.rank))  # dropout
    for index in shares(costs, world.size)[world.rank]:
        part = torch.from_numpy(cuts[index]).to(student.device)
        part_log_probs = student.log_probs([tokens[rows[i]] for i in cuts[index]])
        part_loss = (
            weights[part] * cross_entropy(part_log_probs, targets(part_log_probs.detach(), weak[part]))
        ).sum()
        part_loss.backward()  # type: ignore[no-untyped-call]
        loss += part_loss.detach()
        log_probs[part] = part_log_probs.detach()
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in student.parameters().values()
    ]
    world.all_reduce_sum([*gradients, log_probs, loss])
    if world.size > 1:
        for parameter, gradient in zip(student.parameters().values(), gradients, strict=True):
            parameter.grad = gradient
    return log_probs, weak, float(loss)


def _clip(student: Student, most: float) -> float:
    """Scales gradients down to a norm, 0 for any; says which norm they had."""
    import torch

    return float(torch.nn.utils.clip_grad_norm_(student.parameters().values(), most or math.inf))


def _check_steps(steps: int, checks: int) -> set[int]:
    """After which steps held-out texts are looked at: evenly, the last one included."""
    return {round(steps * number / checks) for number in range(1, checks + 1)} - {0}


def _look(
    student: Student, tokens: Tokens, held_out: TrainingSet, schedule: Schedule, state: TrainingState
) -> None:
    """Keeps the student if no earlier one predicted the held-out weak labels better (cross-entropy)."""
    probabilities = student.probabilities(tokens, HELD_OUT_BATCHES * schedule.batch_tokens)
    losses = -(held_out.targets * np.log(np.maximum(probabilities, 1e-30))).sum(axis=1)
    loss = float((held_out.weights * losses).sum() / held_out.weights.sum())
    if state.best is None or loss < state.best.loss:
        state.best = Best(
            state.step, loss, {name: tensor.clone() for name, tensor in student.state().items()}
        )
