"""What a student is trained to. Every loss of classes is cross-entropy; losses differ in their targets.

One module for each loss of `w2s_api.methods.losses`, called as that of its settings; it has the function `targets`, or, of
texts that are written, `token_targets`.
"""

from torch import Tensor

from w2s_api.methods.losses import LossSettings
from w2s_trainer.methods import implementation
from w2s_trainer.tuning.losses.cross_entropy import Targets, cross_entropy
from w2s_trainer.tuning.losses.soft_targets import TokenTargets

__all__ = ["Targets", "TokenTargets", "cross_entropy", "make_targets", "make_token_targets"]


def make_targets(settings: LossSettings, prior: Tensor, batch_size: int) -> Targets:
    """The targets that a manifest asks for.

    Args:
        settings: of the loss. Whether weak labels are soft or hard is the caller's: `weak` comes as it is meant.
        prior: float[K], each class's share of the weak labels of the whole training set.
        batch_size: examples of an optimiser step, over all processes and micro-batches.
    """
    return implementation(__name__, type(settings)).targets(settings, prior, batch_size)  # type: ignore[no-any-return]


def make_token_targets(settings: LossSettings) -> TokenTargets | None:
    """What of a teacher's token probabilities a student that writes is trained to; None: the texts alone."""
    module = implementation(__name__, type(settings))
    return module.token_targets(settings) if hasattr(module, "token_targets") else None
