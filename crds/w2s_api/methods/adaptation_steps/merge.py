"""Merging of models: other models' weights, or what their tuning changed, into the current one."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.adaptation_steps.step import AdaptationSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule
from w2s_api.spec.model import Model

_BETWEEN_MODELS = ("Linear", "Slerp")
"""Methods that need no base: they go from the current model to the others."""
_METHOD = "(has(self.method) ? self.method : 'Linear')"
"""In CEL: below a list the API server fills in no defaults."""
_MOST_MODELS = 8
_WEIGHTS = [
    f"(has(self.models[{i}].weight) ? double(self.models[{i}].weight) : 0.5)" for i in range(_MOST_MODELS)
]
_SUM = " + ".join(f"(size(self.models) > {i} ? {weight} : 0.0)" for i, weight in enumerate(_WEIGHTS))
"""In CEL, which has no sum that every reader of it knows."""
_THINNED = ("TIES", "DARE")
"""Methods that keep a share of each difference."""


class MergedModel(Model):
    """A model whose weights are merged in."""

    weight: NonNegative = Field(
        default="0.5",
        description="How much it counts. Linear and Slerp: 0 leaves the current model as it is, 1 takes this one. The"
        " others: what its difference to `base` is multiplied by.",
    )


class Merge(AdaptationSettings):
    """Other models of the same architecture and tokenizer are merged into the current one, without training.

    Of task vectors, which are differences of a tuned model to the model that it was tuned from: TaskArithmetic adds them
    (Ilharco et al. 2023, arXiv 2212.04089), TIES and DARE thin them out before.
    """

    words: ClassVar[str] = "merge other models of the same architecture into it, without training"
    rules = (
        Rule(
            cel=f"!({_METHOD} in ['Linear', 'Slerp']) || !has(self.base)",
            message="`base` belongs to the methods TaskArithmetic, TIES and DARE: Linear and Slerp go from the current model"
            " to the others",
            holds=lambda step: step.method not in _BETWEEN_MODELS or step.base is None,
            field="base",
        ),
        Rule(
            cel=f"{_METHOD} != 'Slerp' || (size(self.models) == 1 && (!has(self.models[0].weight)"
            " || double(self.models[0].weight) <= 1.0))",
            message="Slerp goes from the current model to one other, by a weight from 0 to 1",
            holds=lambda step: (
                step.method != "Slerp" or (len(step.merged) == 1 and float(step.merged[0].weight) <= 1)
            ),
            field="models",
        ),
        Rule(
            cel=f"{_METHOD} != 'Linear' || {_SUM} <= 1.000001",
            message="the weights of a Linear merge may be 1 together: what is left is the current model's",
            holds=lambda step: (
                step.method != "Linear" or sum(float(m.weight) for m in step.merged) <= 1.000001
            ),
            field="models",
        ),
        Rule(
            cel=f"!has(self.density) || {_METHOD} in ['TIES', 'DARE']",
            message="`density` belongs to the methods TIES and DARE",
            holds=lambda step: step.density is None or step.method in _THINNED,
            field="density",
        ),
        Rule(
            cel="!has(self.density) || double(self.density) > 0.0",
            message="`density` must be above 0: nothing would be merged",
            holds=lambda step: step.density is None or float(step.density) > 0,
            field="density",
        ),
    )

    method: Literal["Linear", "Slerp", "TaskArithmetic", "TIES", "DARE"] = Field(
        default="Linear",
        description="Linear: the weighted mean of weights (Wortsman et al. 2022, arXiv 2203.05482). Slerp: along the arc"
        " between two models, weight by weight (Shoemake 1985). TaskArithmetic: differences to `base` are added. TIES: of"
        " each difference the largest entries are kept, a sign is elected, and those of that sign are averaged (Yadav et al."
        " 2023, arXiv 2306.01708). DARE: entries are dropped at random and the others scaled up (Yu et al. 2023, arXiv"
        " 2311.03099).",
    )
    merged: Annotated[list[MergedModel], Field(min_length=1, max_length=_MOST_MODELS)] = Field(
        alias="models",
        description="What is merged in.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    base: Model | None = Field(
        default=None,
        description="The model that `models` were tuned from, and that they are compared with. Default: the current model."
        " Another one: a patch of an older model is put on a newer one (PortLLM, arXiv 2410.10870).",
    )
    density: Fraction | None = Field(
        default=None,
        description='The share of each difference that is kept, by TIES and DARE. Default: "0.2" for TIES, "0.5" for DARE.',
    )

    @property
    def kept(self) -> float:
        """The share of each difference that is kept; its default where the manifest gives none."""
        return float(self.density or {"TIES": "0.2", "DARE": "0.5"}.get(self.method, "1"))

    def in_words(self) -> str:
        """What is merged in, and how."""
        models = ", ".join(f"`{model.uri}` ({model.weight})" for model in self.merged)
        return f"merged with {models} by {self.method}"
