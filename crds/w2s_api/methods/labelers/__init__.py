"""The labelers: who can label the pool."""

from w2s_api.methods.labelers.classifier import Classifier
from w2s_api.methods.labelers.finetuned import Finetuned
from w2s_api.methods.labelers.functions import Functions
from w2s_api.methods.labelers.imported import Imported
from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.methods.labelers.prompted import Prompted
from w2s_api.methods.labelers.python import Python
from w2s_api.methods.method import table

__all__ = [
    "LABELERS",
    "Classifier",
    "Finetuned",
    "Functions",
    "Imported",
    "LabelerSettings",
    "Prompted",
    "Python",
]

LABELERS: dict[str, type[LabelerSettings]] = table(
    Classifier, Finetuned, Prompted, Functions, Imported, Python
)
