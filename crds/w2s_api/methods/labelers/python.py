"""Labelling functions in Python."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule, text

ModuleName = Annotated[
    str,
    text(
        256,
        1,
        r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        'the name of a Python module such as "my_rules" or "legal.rules"',
    ),
]
FunctionName = Annotated[
    str, text(128, 1, r"^[A-Za-z_][A-Za-z0-9_]*$", "letters, digits and underscores, no digit first")
]


class Python(LabelerSettings):
    """Functions of a module of yours that vote. No vote, or a tie, is an abstention."""

    rules = (
        Rule(
            cel="!has(self.maxSecondsPerText) || double(self.maxSecondsPerText) > 0.0",
            message="must be above 0",
            holds=lambda s: float(s.max_seconds_per_text) > 0,
            field="maxSecondsPerText",
        ),
    )

    words: ClassVar[str] = "functions of a Python module of yours that vote"
    scores_are_votes: ClassVar[bool] = True

    module: ModuleName = Field(
        description="The module: in the image, on PYTHONPATH, or with `w2s run` beside the manifest."
    )
    functions: Annotated[list[FunctionName], Field(min_length=1, max_length=200)] = Field(
        description="Functions of the module, or names of lists of them. Each takes the text and returns the name"
        " of a class, or None to abstain.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    revision: Annotated[str, text(128, 1)] = Field(
        description="Any word: a number, a commit. Change it whenever the code changes: labels are kept under it, and"
        " nothing else tells that the code is another."
    )
    max_error_share: Fraction = Field(
        default="0.1",
        description="A function that raises an error abstains on that text. More than this share of the texts, and"
        " the job ends.",
    )
    max_seconds_per_text: NonNegative = Field(
        default="1", description="A function that takes longer for one text ends the job."
    )
