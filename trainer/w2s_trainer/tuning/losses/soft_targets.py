"""Divergence from a teacher's token probabilities, beside the text (word-level distillation).

Hinton et al. 2015 (arXiv 1503.02531), temperature and its square; Kim & Rush 2016 (arXiv 1606.07947), by word beside by
sequence; a weight that falls, so that a small teacher is leant on at the beginning (Rawat et al. 2024, arXiv 2410.18779).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from w2s_api.methods.losses import SoftTargets
from w2s_trainer.models.top_tokens import IMPOSSIBLE


@dataclass
class TokenTargets:
    """(1 − λ) · CE(text) + λ · T² · KL(q ‖ p), q being the teacher's and p the student's token probabilities.

    λ is `soft_weight`, or, where it decays, `soft_weight` · (1 − step / steps).
    """

    soft_weight: float
    temperature: float
    decays: bool
    _now: float = 0.0

    def begin(self, progress: float) -> None:
        """Fixes the step's weight; `progress` is step / total steps, in [0, 1)."""
        self._now = self.soft_weight * (1.0 - progress if self.decays else 1.0)

    def mixed(self, cross_entropy: Tensor, divergence: Tensor) -> Tensor:
        """The loss of examples, float32[b], of both parts, float32[b]."""
        return (1.0 - self._now) * cross_entropy + self._now * self.temperature**2 * divergence


def divergence(logits: Tensor, ids: Tensor, log_q: Tensor, log_rest: Tensor, temperature: float) -> Tensor:
    """KL(q ‖ p) at each of m places, over the teacher's k likeliest tokens and all others as one.

    Both are taken to the power 1/T and normalised over these k + 1. With k the whole vocabulary it is the divergence of the
    two softmaxes at temperature T.

    Args:
        logits: float[m, V], the student's.
        ids: int64[m, k], different tokens.
        log_q: float[m, k], the teacher's log-probabilities of them, of all tokens, at temperature 1.
        log_rest: float[m], of all other tokens together.
        temperature: T, above 0.

    Returns:
        float[m], with a graph to the logits.
    """
    log_p = logits.log_softmax(-1).clamp(min=IMPOSSIBLE)
    others = log_p.scatter(1, ids, IMPOSSIBLE).logsumexp(-1, keepdim=True)
    student = torch.cat([log_p.gather(1, ids), others], dim=-1)
    teacher = torch.cat([log_q, log_rest[:, None]], dim=-1).clamp(min=IMPOSSIBLE)
    student, teacher = ((one / temperature).log_softmax(-1) for one in (student, teacher))
    return (teacher.exp() * (teacher - student)).sum(-1)


def token_targets(settings: SoftTargets) -> TokenTargets:
    """Those of `losses.make_token_targets`."""
    return TokenTargets(
        float(settings.soft_weight), float(settings.temperature), decays=settings.decay == "Linear"
    )
