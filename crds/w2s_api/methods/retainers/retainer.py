"""What every retainer says of itself."""

from typing import ClassVar

from w2s_api.methods.method import Method


class RetainerSettings(Method):
    """Settings of what keeps a model close to the one that it is made of."""

    of_own_weights: ClassVar[bool] = False
    """It is about the model's own weights, so that these must be tuned: adapters beside them are refused."""
    adds_blocks: ClassVar[bool] = False
    """The model gets more blocks, and no others are tuned: nothing is left to freeze, and its shapes are others."""

    def in_words(self) -> str:
        """What it is with these settings, for the report and the model card: a clause."""
        raise NotImplementedError
