"""What every step of the synthesis says of itself."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.method import Method
from w2s_api.spec.paths import Place

PAIR_FIELDS = ("answer", "quotation")
"""What of a pair a labeler of type Imported can take for the weak text."""


class SynthesisSettings(Method):
    """Settings of a step that makes pairs from documents."""

    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})

    per_document: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="How many pairs of a document this step makes at most."
    )

    def shown_passages(self) -> tuple[str, ...]:
        """Passages of the manifest that a model is shown: none may be of the test."""
        return ()

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """What is wrong in its settings and no schema can tell, with its place below them."""
        return iter(())
