"""The steps of the synthesis: who makes pairs of a question and its answer from the documents of the pool."""

from w2s_api.methods.method import table
from w2s_api.methods.synthesis_steps.question_answer import QuestionAnswer
from w2s_api.methods.synthesis_steps.reading_comprehension import ReadingComprehension
from w2s_api.methods.synthesis_steps.step import SynthesisSettings

__all__ = ["SYNTHESIS_STEPS", "QuestionAnswer", "ReadingComprehension", "SynthesisSettings"]

SYNTHESIS_STEPS: dict[str, type[SynthesisSettings]] = table(QuestionAnswer, ReadingComprehension)
