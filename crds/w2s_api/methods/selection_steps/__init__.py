"""The steps of the selection: which weakly labelled texts the strong model is trained on."""

from w2s_api.methods.method import table
from w2s_api.methods.selection_steps.confidence import Confidence
from w2s_api.methods.selection_steps.step import StepSettings

__all__ = ["SELECTION_STEPS", "Confidence", "StepSettings"]

SELECTION_STEPS: dict[str, type[StepSettings]] = table(Confidence)
