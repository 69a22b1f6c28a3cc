"""The tunings: what of a model is tuned."""

from w2s_api.methods.method import table
from w2s_api.methods.tunings.full import Full
from w2s_api.methods.tunings.head import Head
from w2s_api.methods.tunings.lora import LoRA
from w2s_api.methods.tunings.tuning import TuningSettings

__all__ = ["TUNINGS", "Full", "Head", "LoRA", "TuningSettings"]

TUNINGS: dict[str, type[TuningSettings]] = table(Head, LoRA, Full)
