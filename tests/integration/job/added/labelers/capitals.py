"""Settings of a labeler that counts capital letters."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.spec.base import Fraction, text


class Capitals(LabelerSettings):
    """Votes for a class where many of a text's letters are capitals, and against it elsewhere."""

    words: ClassVar[str] = "counts capital letters"
    names_classes: ClassVar[Mapping[str, str]] = {
        "className": "`capitals` votes for a class that `task.classes` does not have"
    }

    class_name: Annotated[str, text(63, 1)] = Field(description="The class to vote for.")
    share: Fraction = Field(default="0.1", description="Of the letters, from which on it does.")
