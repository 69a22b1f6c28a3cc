"""The steps of the finish: what is done to the student after it was trained."""

from w2s_api.methods.finish_steps.align import Align
from w2s_api.methods.finish_steps.interpolate import Interpolate
from w2s_api.methods.finish_steps.step import FinishSettings
from w2s_api.methods.method import table

__all__ = ["FINISH_STEPS", "Align", "FinishSettings", "Interpolate"]

FINISH_STEPS: dict[str, type[FinishSettings]] = table(Interpolate, Align)
"""What every step of the finish says of itself."""
