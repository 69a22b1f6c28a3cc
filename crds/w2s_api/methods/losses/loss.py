"""What every loss says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method


class LossSettings(Method):
    """Settings of a loss."""

    looks_at_student: ClassVar[bool] = True
    """Its targets move with what the student says: not for a head, which is fitted in one go."""

    looks_across: ClassVar[bool] = False
    """Its targets for one example depend on other examples: what noise on gradients is to hide goes around it."""

    reads_opinions: ClassVar[bool] = False
    """It looks at what the single labelers say beside the text that was aggregated: their `topK`."""

    def in_words(self) -> str:
        """What it is with these settings, for the report and the model card."""
        raise NotImplementedError

    @property
    def hard(self) -> bool:
        """Whether it takes the likeliest class of a weak label for the whole of it."""
        return False
