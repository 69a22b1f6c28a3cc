"""The steps of the selection: which weakly labelled texts the strong model is trained on."""

from w2s_api.methods.method import table
from w2s_api.methods.selection_steps.agreement import Agreement
from w2s_api.methods.selection_steps.confidence import Confidence
from w2s_api.methods.selection_steps.confident_learning import ConfidentLearning
from w2s_api.methods.selection_steps.correction import Correction
from w2s_api.methods.selection_steps.diversity import Diversity
from w2s_api.methods.selection_steps.groundedness import Groundedness
from w2s_api.methods.selection_steps.judge import Judge
from w2s_api.methods.selection_steps.likelihood import Likelihood
from w2s_api.methods.selection_steps.neighbours import Neighbours
from w2s_api.methods.selection_steps.refinement import Refinement
from w2s_api.methods.selection_steps.shape import Shape
from w2s_api.methods.selection_steps.shares import Shares
from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.methods.selection_steps.student_loss import StudentLoss
from w2s_api.methods.selection_steps.trust import Trust

__all__ = [
    "SELECTION_STEPS",
    "Agreement",
    "Confidence",
    "ConfidentLearning",
    "Correction",
    "Diversity",
    "Groundedness",
    "Judge",
    "Likelihood",
    "Neighbours",
    "Refinement",
    "Shape",
    "Shares",
    "StepSettings",
    "StudentLoss",
    "Trust",
]

SELECTION_STEPS: dict[str, type[StepSettings]] = table(
    Confidence,
    ConfidentLearning,
    Neighbours,
    Trust,
    StudentLoss,
    Correction,
    Diversity,
    Shares,
    Groundedness,
    Shape,
    Agreement,
    Judge,
    Likelihood,
    Refinement,
)
