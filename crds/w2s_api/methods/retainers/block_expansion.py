"""New blocks among those of the model, which alone learn."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.retainers.retainer import RetainerSettings


class BlockExpansion(RetainerSettings):
    """Copies of blocks whose output projections are 0 are put among the blocks, and they alone are tuned.

    Block expansion (Wu et al. 2024, arXiv 2401.02415, LLaMA Pro): at its first step the larger model says what the model
    before says, to the bit. It is published in its real size.
    """

    words: ClassVar[str] = (
        "new blocks, which change nothing at first, are put among the others and alone are tuned"
    )
    of_own_weights: ClassVar[bool] = True
    adds_blocks: ClassVar[bool] = True

    blocks: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4,
        description="How many are added: the model's blocks are divided into so many groups of about the same size, and behind"
        " each a copy of its last block comes. At most as many as the model has.",
    )

    def in_words(self) -> str:
        """How many."""
        return f"{self.blocks:,} new blocks were added, and they alone were tuned"
