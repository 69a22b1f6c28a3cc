"""Pruning: weights of the strong model, or whole parts of it, are taken away, without training."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.adaptation_steps.step import AdaptationSettings, between, needs_texts
from w2s_api.spec.base import Fraction, Rule
from w2s_api.spec.data import Source

_METHOD = "(has(self.method) ? self.method : 'Wanda')"
"""In CEL: below a list the API server fills in no defaults."""
_PATTERN = "(has(self.pattern) ? self.pattern : 'Unstructured')"
_SINGLE = ("Magnitude", "Wanda")
"""Methods that set single weights to 0; the others make the model smaller."""
_HALF = "0.5"


def _is_half(step: "Prune") -> bool:
    return step.pattern != "2:4" or step.sparsity in (None, _HALF)


class Prune(AdaptationSettings):
    """Weights that matter least are set to 0, or whole blocks or neurons are taken out, without training.

    What matters is told by the weights themselves (Magnitude), or by what reaches them while the model reads texts of the
    pool and of corpora: the domain's and general ones, as D-Pruner has it (Zhang et al. 2024, arXiv 2405.06275).
    """

    words: ClassVar[str] = "set the weights that matter least to 0, or take blocks or neurons out"
    rules = (
        Rule(
            cel=f"({_METHOD} == 'BlockInfluence') == has(self.blocks)",
            message="`blocks` is to be given when `method` is BlockInfluence, and only then",
            holds=lambda step: (step.method == "BlockInfluence") == (step.blocks is not None),
            field="blocks",
        ),
        Rule(
            cel=f"!has(self.sparsity) || {_METHOD} != 'BlockInfluence'",
            message="`sparsity` belongs to the methods Magnitude, Wanda and Neurons: of BlockInfluence, `blocks` says how many"
            " are taken out",
            holds=lambda step: step.sparsity is None or step.method != "BlockInfluence",
            field="sparsity",
        ),
        Rule(
            cel="!has(self.sparsity) || (double(self.sparsity) > 0.0 && double(self.sparsity) < 1.0)",
            message="`sparsity` must be above 0 and below 1: nothing would be pruned, or nothing left",
            holds=lambda step: step.sparsity is None or 0 < float(step.sparsity) < 1,
            field="sparsity",
        ),
        Rule(
            cel=f"{_PATTERN} == 'Unstructured' || {_METHOD} in {list(_SINGLE)}",
            message="`pattern` belongs to the methods Magnitude and Wanda",
            holds=lambda step: step.pattern == "Unstructured" or step.method in _SINGLE,
            field="pattern",
        ),
        Rule(
            cel=f"{_PATTERN} != '2:4' || !has(self.sparsity) || double(self.sparsity) == 0.5",
            message='the pattern 2:4 has a sparsity of "0.5": leave `sparsity` out',
            holds=_is_half,
            field="sparsity",
        ),
        needs_texts("measure on"),
        between(
            "heldOutFraction",
            "the loss is measured on texts that are held out, and the model calibrated on the others",
        ),
    )

    method: Literal["Magnitude", "Wanda", "BlockInfluence", "Neurons"] = Field(
        default="Wanda",
        description="Magnitude: of each weight matrix the smallest become 0 (Han et al. 2015, arXiv 1506.02626). Wanda: of"
        " each row those with the smallest |W| ‖X‖₂, X being what reaches them (Sun et al. 2023, arXiv 2306.11695)."
        " BlockInfluence: the blocks that change their input least are taken out (ShortGPT, Men et al. 2024, arXiv"
        " 2403.03853). Neurons: of each feed-forward layer, those with the smallest sum of |W| ‖X‖₂ (Wanda-sp: An et al."
        " 2023, arXiv 2312.11983).",
    )
    sparsity: Fraction | None = Field(
        default=None,
        description="The share of the weights of each layer that becomes 0, of Neurons the share of them that is taken out."
        ' Default: "0.5".',
    )
    pattern: Literal["Unstructured", "2:4"] = Field(
        default="Unstructured",
        description="Where zeros may stand. 2:4: two of each four successive inputs, which GPUs can compute faster (Mishra et"
        " al. 2021, arXiv 2104.08378).",
    )
    blocks: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="How many blocks are taken out, by BlockInfluence."
    )
    pool: bool = Field(
        default=True,
        description="Calibrate and measure on the texts of `data.unlabeled`. Texts of test families are not among them.",
    )
    corpora: Annotated[list[Source], Field(max_length=8)] = Field(
        default_factory=list,
        description="More texts to calibrate and measure on, in the field `data.fields.text`: general ones, so that what they"
        " need is kept too. As many blocks are read of them as of the pool. Those that are near-duplicates of a text of the"
        " test are left out.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    calibration_blocks: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=128,
        description="Blocks of tokens that the model reads to see what matters; at most as many are measured on.",
    )
    block_tokens: Annotated[int, Field(ge=8, le=131_072)] = Field(
        default=256, description="Tokens of a block of texts, which are put end to end and cut."
    )
    held_out_fraction: Fraction = Field(
        default="0.05",
        description="Share of the texts, whole families at a time, on which the loss is measured before and after.",
    )

    @property
    def keeps_shapes(self) -> bool:
        """Zeros leave a weight as large as it was."""
        return self.method in _SINGLE

    @property
    def share(self) -> float:
        """The share that is pruned; its default where the manifest gives none."""
        return float(self.sparsity or _HALF)

    def in_words(self) -> str:
        """What is taken away, and by which measure."""
        if self.method == "BlockInfluence":
            blocks = "1 block was" if self.blocks == 1 else f"{self.blocks:,} blocks were"
            return f"pruned: the {blocks} taken out that changed their input least"
        if self.method == "Neurons":
            return f"pruned: {self.share:.0%} of the neurons of each feed-forward layer were taken out"
        pattern = " (2:4)" if self.pattern == "2:4" else ""
        return f"pruned by {self.method}: {self.share:.0%} of the weights of its blocks are 0{pattern}"
