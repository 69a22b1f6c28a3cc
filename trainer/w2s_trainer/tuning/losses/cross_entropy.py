"""Cross-entropy, and the plainest targets: the weak labels."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from w2s_api.methods.losses import CrossEntropy


class Targets(Protocol):
    """What the student is trained to, for one optimiser step.

    Targets may look at the student, but no gradient flows through them. An example's targets do not depend on
    which examples share its micro-batch: what depends on other examples is fixed by `begin`.
    """

    def begin(self, progress: float) -> None:
        """Before each optimiser step.

        Args:
            progress: step / total steps, in [0, 1).
        """

    def __call__(self, log_probs: Tensor, weak: Tensor) -> Tensor:
        """Targets of a micro-batch.

        Args:
            log_probs: float32[b, K], the student's; detached here.
            weak: float32[b, K], the weak labels, rows sum to 1.

        Returns:
            float32[b, K], rows sum to 1, without gradient.
        """

    def observe(self, log_probs: Tensor) -> None:
        """After each optimiser step.

        Args:
            log_probs: float32[B, K], the student's, of the step's whole batch in the batch's order.
        """

    def state(self) -> dict[str, Tensor]:
        """For checkpoints: all that later steps depend on."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where `state` was taken; `begin` comes next."""


class Stateless:
    """Targets that depend on nothing but the example itself."""

    def begin(self, progress: float) -> None:
        """Does nothing."""

    def observe(self, log_probs: Tensor) -> None:
        """Does nothing."""

    def state(self) -> dict[str, Tensor]:
        """Empty."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Does nothing."""


class WeakLabels(Stateless):
    """The weak labels as they are (`xent` of openai/weak-to-strong)."""

    def __call__(self, log_probs: Tensor, weak: Tensor) -> Tensor:
        """The weak labels float32[b, K]."""
        del log_probs
        return weak.detach()


def cross_entropy(log_probs: Tensor, targets: Tensor) -> Tensor:
    """−Σₖ qₖ log pₖ of each example; its gradient in the logits is p − q.

    Args:
        log_probs: float32[b, K], log pₖ.
        targets: float32[b, K], qₖ.

    Returns:
        float32[b].
    """
    return -(targets * log_probs).sum(-1)


def targets(settings: CrossEntropy, prior: Tensor, batch_size: int) -> Targets:
    """Those of `losses.make_targets`."""
    del settings, prior, batch_size
    return WeakLabels()
