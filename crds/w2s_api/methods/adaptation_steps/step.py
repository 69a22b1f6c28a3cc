"""What every step of the adaptation says of itself."""

from typing import ClassVar, Literal

from w2s_api.methods.method import Method


class AdaptationSettings(Method):
    """Settings of a step that makes a model of a model. What it makes is an artifact in the Hugging Face layout."""

    processes: ClassVar[Literal["One", "PerGPU"]] = "One"
    """How many processes run it together (`Stage.processes`)."""

    adds_tokens: ClassVar[bool] = False
    """The model that it makes has tokens that it has never seen."""
    learns_tokens: ClassVar[bool] = False
    """It learns from texts what tokens mean."""

    @property
    def keeps_shapes(self) -> bool:
        """Whether the model that it makes has the tokenizer, and weights of the shapes, of the one before it."""
        return True

    @property
    def reads_pool(self) -> bool:
        """Whether what it makes depends on the texts of the job's pool."""
        return False

    def in_words(self) -> str:
        """What is done with these settings, for the report and the model card: a clause."""
        raise NotImplementedError
