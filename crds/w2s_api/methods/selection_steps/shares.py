"""Class shares as they should be."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.spec.base import Fraction, Rule, Struct, text


class ClassShare(Struct):
    """The share of a class."""

    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes`.")
    share: Fraction = Field(description="Its share of what is trained on, above 0.")


class Shares(StepSettings):
    """Brings the class shares of the weak labels to what they should be: a student copies them."""

    words: ClassVar[str] = "bring class shares to what they should be"
    moves_shares: ClassVar[bool] = True
    names_classes: ClassVar[Mapping[str, str]] = {
        "shares[].className": "a share is of a class that `task.classes` does not have"
    }
    rules = (
        Rule(
            cel="(has(self.shares) && size(self.shares) > 0) == (self.like == 'Declared')",
            message="`shares` is to be given when `like` is Declared, and only then",
            holds=lambda step: bool(step.shares) == (step.like == "Declared"),
            field="shares",
        ),
        Rule(
            cel="!has(self.shares) || self.shares.all(s, double(s.share) > 0.0)",
            message="a share must be above 0: of a class without texts the student would learn nothing",
            holds=lambda step: all(float(one.share) > 0 for one in step.shares),
            field="shares",
        ),
    )

    like: Literal["BeforeSelection", "GoldBudget", "Declared"] = Field(
        description="What shares are wanted. BeforeSelection: those of all weak labels. GoldBudget: those of the gold budget of"
        " each seed, with one more label of each class. Declared: those of `shares`.",
    )
    by: Literal["Weights", "Dropping"] = Field(
        default="Weights",
        description="Weights: every text is kept, and each counts by what its class lacks or has too much. Dropping: texts of"
        " the classes that have too much are dropped, by a hash of their ids.",
    )
    shares: Annotated[list[ClassShare], Field(max_length=100)] = Field(
        default_factory=list,
        description="Shares of classes. Classes that are not named divide the rest as they do now.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["className"]},
    )

    def sees_gold(self) -> bool:
        """Where the shares are those of the budget."""
        return self.like == "GoldBudget"

    def result_settings(self) -> dict[str, Any]:
        """The order of the shares does not matter."""
        settings = super().result_settings()
        if self.shares:
            settings["shares"] = {one.class_name: one.share for one in self.shares}
        return settings
