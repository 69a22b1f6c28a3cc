"""What every tuning says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method
from w2s_api.spec.base import Rule, attribute_of


class TuningSettings(Method):
    """Settings of a tuning."""

    short: ClassVar[str]
    """As a table calls it."""
    subject: ClassVar[str]
    """As the subject of a sentence: "Tuning by LoRA"."""
    on_frozen_model: ClassVar[bool] = False
    """The model itself stays as it is, and all students share one reading of the texts; otherwise each is tuned by gradient
    steps, by `training`'s schedule, in processes of its own."""
    keeps_weights: ClassVar[bool] = False
    """The model's own weights stay as they are, so that they need not be kept in full precision."""
    leaves_adapter: ClassVar[bool] = False
    """What was tuned can be published apart from the model, for peft."""

    def in_words(self) -> str:
        """What is tuned with these settings, for the report and the model card."""
        raise NotImplementedError

    @property
    def rate(self) -> float:
        """The learning rate at its highest."""
        return float(getattr(self, "learning_rate", 0.0))


def positive(field: str, why: str) -> Rule:
    """The rule that a field (camelCase) is above 0."""
    return Rule(
        cel=f"!has(self.{field}) || double(self.{field}) > 0.0",
        message=f"`{field}` must be above 0: {why}",
        holds=lambda settings: float(getattr(settings, attribute_of(type(settings), field))) > 0,
        field=field,
    )
