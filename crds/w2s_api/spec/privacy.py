"""Differential privacy of a training."""

from pydantic import Field

from w2s_api.spec.base import NonNegative, Rule, Struct


class Privacy(Struct):
    """Differential privacy of the students on weak labels, by DP-SGD (Abadi et al. 2016)."""

    rules = (
        Rule(
            cel="double(self.epsilon) >= 0.01",
            message="`epsilon` must be at least 0.01: below, nothing but noise would be learned",
            holds=lambda privacy: float(privacy.epsilon) >= 0.01,
            field="epsilon",
        ),
        Rule(
            cel="double(self.delta) > 0.0 && double(self.delta) <= 0.01",
            message="`delta` must be above 0 and at most 0.01: it is the probability with which the guarantee may fail,"
            " and belongs far below one in the number of texts",
            holds=lambda privacy: 0 < float(privacy.delta) <= 0.01,
            field="delta",
        ),
        Rule(
            cel="!has(self.clipNorm) || double(self.clipNorm) > 0.0",
            message="`clipNorm` must be above 0: nothing would be learned",
            holds=lambda privacy: float(privacy.clip_norm) > 0,
            field="clipNorm",
        ),
    )

    epsilon: NonNegative = Field(
        description="ε, which a student's training may spend, to its end: noise is chosen so that it is not exceeded."
        " The smaller, the less can be told of a single text from the student; 1 is strict, 8 is usual."
    )
    delta: NonNegative = Field(
        description='δ, the probability that ε may not hold: below 1 / number of weakly labelled texts, e.g. "0.00001".'
    )
    clip_norm: NonNegative = Field(
        default="1",
        description="A text's gradient is scaled down to this norm, so that noise can hide it. Less of it is less noise and"
        " less of what long gradients say.",
    )
