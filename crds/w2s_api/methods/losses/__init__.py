"""The losses: what tuning minimises."""

from w2s_api.methods.losses.cross_entropy import CrossEntropy
from w2s_api.methods.losses.log_conf import LogConf
from w2s_api.methods.losses.loss import LossSettings
from w2s_api.methods.losses.product import Product
from w2s_api.methods.losses.soft_targets import SoftTargets
from w2s_api.methods.method import table

__all__ = ["LOSSES", "CrossEntropy", "LogConf", "LossSettings", "Product", "SoftTargets"]

LOSSES: dict[str, type[LossSettings]] = table(CrossEntropy, Product, LogConf, SoftTargets)
