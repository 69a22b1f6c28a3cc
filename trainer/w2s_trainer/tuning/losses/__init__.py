"""What a student is trained to. Every loss is cross-entropy; losses differ in their targets.

A loss is added as one `Targets` and one entry of `METHODS`.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from w2s_api.spec import strong
from w2s_trainer.tuning.losses.cross_entropy import Targets, WeakLabels, cross_entropy
from w2s_trainer.tuning.losses.log_conf import LogConf
from w2s_trainer.tuning.losses.product import Product

__all__ = ["METHODS", "Targets", "cross_entropy", "make_targets"]

Method = Callable[[strong.Loss, Tensor, int], Targets]


def _product(loss: strong.Loss, _prior: Tensor, _batch_size: int) -> Targets:
    settings = loss.product or strong.Product()
    return Product(float(settings.alpha), float(settings.beta))


def _log_conf(loss: strong.Loss, prior: Tensor, batch_size: int) -> Targets:
    settings = loss.log_conf or strong.LogConf()
    return LogConf(prior, float(settings.max_weight), float(settings.warmup_fraction), batch_size)


METHODS: Mapping[str, Method] = {
    "CrossEntropy": lambda _loss, _prior, _batch_size: WeakLabels(),
    "Product": _product,
    "LogConf": _log_conf,
}


def make_targets(loss: strong.Loss, prior: Tensor, batch_size: int) -> Targets:
    """The targets that a manifest asks for.

    Args:
        loss: `spec.strong.loss`. Whether weak labels are soft or hard is the caller's: `weak` comes as it is meant.
        prior: float[K], each class's share of the weak labels of the whole training set.
        batch_size: examples of an optimiser step, over all processes and micro-batches.
    """
    return METHODS[loss.type](loss, prior, batch_size)
