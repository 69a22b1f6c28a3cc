"""The steps of the adaptation: what is done to the strong model before anything learns from labels."""

from w2s_api.methods.adaptation_steps.extend_vocabulary import ExtendVocabulary
from w2s_api.methods.adaptation_steps.merge import Merge
from w2s_api.methods.adaptation_steps.pretrain import Pretrain
from w2s_api.methods.adaptation_steps.prune import Prune
from w2s_api.methods.adaptation_steps.step import AdaptationSettings
from w2s_api.methods.method import table

__all__ = ["ADAPTATION_STEPS", "AdaptationSettings", "ExtendVocabulary", "Merge", "Pretrain", "Prune"]

ADAPTATION_STEPS: dict[str, type[AdaptationSettings]] = table(Pretrain, Merge, Prune, ExtendVocabulary)
