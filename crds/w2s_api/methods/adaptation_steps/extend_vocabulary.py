"""More tokens for the strong model's tokenizer: strings that are frequent in the domain and were several tokens before."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.adaptation_steps.step import AdaptationSettings, between, needs_texts
from w2s_api.spec.base import Fraction
from w2s_api.spec.data import Source


class ExtendVocabulary(AdaptationSettings):
    """The tokenizer learns strings of the domain as tokens of their own, and the model gets embeddings of them.

    An embedding begins as the mean of those of the pieces that stood for the string before (Gee et al. 2022, Fast Vocabulary
    Transfer, arXiv 2402.09977). Text that has none of them is read as before.
    """

    words: ClassVar[str] = "add tokens for strings that are frequent in the texts of the domain"
    adds_tokens: ClassVar[bool] = True
    rules = (
        needs_texts("learn tokens from"),
        between(
            "heldOutFraction", "tokens are counted in texts that are held out, and learnt from the others"
        ),
    )

    tokens: Annotated[int, Field(ge=1, le=100_000)] = Field(
        description="How many tokens are added at most: fewer where fewer strings are frequent enough."
    )
    min_count: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        default=10, description="How often a string must occur to become a token."
    )
    pool: bool = Field(
        default=True,
        description="Learn tokens from the texts of `data.unlabeled`. Texts of test families are not among them.",
    )
    corpora: Annotated[list[Source], Field(max_length=8)] = Field(
        default_factory=list,
        description="More texts, of the domain, in the field `data.fields.text`. Those that are near-duplicates of a text of"
        " the test are left out.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    general: Annotated[list[Source], Field(max_length=8)] = Field(
        default_factory=list,
        description="General texts, in the field `data.fields.text`, from which nothing is learnt: the report says how many of"
        " them are read as before.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    allow_small_corpus: bool = Field(
        default=False,
        description="Add the tokens although the texts are fewer than new tokens need to be learnt: 50 billion tokens of text"
        " for a whole vocabulary (Dagan et al. 2024, arXiv 2402.01035), for a part of it the same part.",
    )
    held_out_fraction: Fraction = Field(
        default="0.05",
        description="Share of the texts, whole families at a time, in which tokens are counted before and after.",
    )

    @property
    def keeps_shapes(self) -> bool:
        """Tokenizer and embeddings become larger."""
        return False

    def in_words(self) -> str:
        """How many tokens, of what."""
        what = " and ".join(
            [
                *(["the pool"] if self.pool else []),
                *([f"{len(self.corpora)} corpora"] if self.corpora else []),
            ]
        )
        tokens = "1 token" if self.tokens == 1 else f"{self.tokens:,} tokens"
        return f"given up to {tokens} more, learnt from {what}"
