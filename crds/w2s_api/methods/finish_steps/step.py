"""What every step of the finish says of itself."""

from typing import ClassVar, Literal

from w2s_api.methods.method import Method


class FinishSettings(Method):
    """Settings of a step that makes a student of a student: it changes the weights that the training changed, and no others."""

    processes: ClassVar[Literal["One", "PerGPU"]] = "One"
    """How many processes run it together (`Stage.processes`)."""
    learns_budget: ClassVar[bool] = False
    """The student that it makes has seen texts of the gold budget: nothing it says about them proves anything."""

    @property
    def reads_budget(self) -> bool:
        """Whether its results depend on the gold budget."""
        return self.learns_budget

    @property
    def reads_labels(self) -> bool:
        """Whether its results depend on the weak labels."""
        return False

    def in_words(self) -> str:
        """What is done with these settings, for the report and the model card: a clause."""
        raise NotImplementedError
