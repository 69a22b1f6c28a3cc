"""Differentially private steps: DP-SGD (Abadi et al. 2016, arXiv 1607.00133, algorithm 1).

Who takes part in a step is drawn for each example on its own, each example's gradient is cut to a norm, and Gaussian noise is
added to their sum. What is drawn is a function of a secret and the step, so that a training which goes on from a checkpoint
adds the noise that it would have added, and none twice; whoever knows the secret could take the noise away again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.tuning.accountant import epsilon, sample_rate, steps_of
from w2s_trainer.tuning.objective import Objective
from w2s_trainer.tuning.order import shares
from w2s_trainer.tuning.tunable import TunableModel, seeded
from w2s_trainer.tuning.world import World

if TYPE_CHECKING:
    import torch

_SAMPLE, _NOISE = 0, 1


@dataclass(frozen=True)
class PrivateSteps:
    """The steps of one training on n examples: who takes part in each, and what is learnt of them."""

    rows: int
    """n."""
    batch_size: int
    """B: examples of a step, on average."""
    epochs: int
    clip_norm: float
    """C: an example's gradient is scaled down to this norm."""
    noise: float
    """σ: the noise has the standard deviation σ C in each direction."""
    secret: bytes
    """What nobody knows who sees the student."""
    seed: int = 0
    """Of dropout: of nothing that the guarantee rests on."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return steps_of(self.rows, self.batch_size, self.epochs)

    @property
    def rate(self) -> float:
        """q: the probability with which an example takes part in a step."""
        return sample_rate(self.rows, self.batch_size)

    def spent(self, steps: int, delta: float) -> float:
        """ε after some steps."""
        return epsilon(self.rate, self.noise, steps, delta)

    def batch(self, step: int) -> NDArray[np.int64]:
        """The rows of a step, int64[b], ascending: each with probability q, whatever the others. There may be none."""
        return np.flatnonzero(self._drawn(_SAMPLE, step).random(self.rows) < self.rate).astype(np.int64)

    def gradients(
        self,
        student: TunableModel,
        objective: Objective[Any],
        rows: NDArray[np.int64],
        step: int,
        world: World,
    ) -> "tuple[torch.Tensor, float]":
        """Sets gradients to (Σᵢ min(1, C / |gᵢ|) gᵢ + N(0, σ² C² I)) / B, gᵢ = wᵢ ∇lᵢ of the examples of a step.

        An example goes through the model alone, so that its gradient is its own whatever the layers are. The denominator is
        B, and not how many were drawn, which is private too.

        Args:
            student: made tunable.
            objective: its loss on an example looks at no other example.
            rows: int64[b], of `batch`.
            step: from 0.
            world: each process takes some of the examples; all add the same noise, once.

        Returns:
            The student's outputs float32[b, …], and the mean loss of those that were drawn, 0 without any.
        """
        import torch

        parameters = student.parameters()
        _forget(parameters)
        sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        outputs = torch.zeros((len(rows), objective.output_size), device=student.device)
        loss = torch.zeros((), device=student.device)
        for place in shares(objective.lengths[rows].tolist(), world.size)[world.rank]:
            row = rows[place : place + 1]
            torch.manual_seed(seeded(self.seed, step, int(row[0])))  # dropout
            losses, said = objective.losses(student, row)
            (float(objective.weights[row[0]]) * losses[0]).backward()  # type: ignore[no-untyped-call]
            loss += losses[0].detach() / len(rows)
            outputs[place] = said[0]
            _add_clipped(sums, parameters, self.clip_norm)
        world.all_reduce_sum([*sums.values(), outputs, loss])
        draw = self._drawn(_NOISE, step)
        for name, parameter in parameters.items():
            noise = draw.standard_normal(tuple(parameter.shape)) * (self.noise * self.clip_norm)
            parameter.grad = (sums[name] + torch.from_numpy(noise).to(parameter)) / self.batch_size
        return outputs, float(loss)

    def _drawn(self, what: int, step: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self._entropy, what, step])))

    @cached_property
    def _entropy(self) -> int:
        return int.from_bytes(hashlib.sha256(self.secret).digest())


def _add_clipped(
    sums: "dict[str, torch.Tensor]", parameters: "dict[str, torch.nn.Parameter]", most: float
) -> None:
    """Adds an example's gradient to sums, scaled down to a norm, and forgets it."""
    import torch

    gradients: Sequence[tuple[str, torch.Tensor]] = [
        (name, parameter.grad) for name, parameter in parameters.items() if parameter.grad is not None
    ]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for _, grad in gradients]))
    factor = (most / norm.clamp(min=1e-12)).clamp(max=1.0)
    for name, gradient in gradients:
        sums[name] += factor * gradient
    _forget(parameters)


def _forget(parameters: "dict[str, torch.nn.Parameter]") -> None:
    for parameter in parameters.values():
        parameter.grad = None
