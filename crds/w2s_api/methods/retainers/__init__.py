"""The retainers: what keeps a model that is pretrained further close to what it was."""

from w2s_api.methods.method import table
from w2s_api.methods.retainers.block_expansion import BlockExpansion
from w2s_api.methods.retainers.distillation import Distillation
from w2s_api.methods.retainers.retainer import RetainerSettings
from w2s_api.methods.retainers.starting_point import StartingPoint

__all__ = ["RETAINERS", "BlockExpansion", "Distillation", "RetainerSettings", "StartingPoint"]

RETAINERS: dict[str, type[RetainerSettings]] = table(Distillation, StartingPoint, BlockExpansion)
