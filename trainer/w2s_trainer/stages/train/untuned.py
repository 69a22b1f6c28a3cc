"""The arm `zero-shot` of tasks that no head answers: the strong model as it came is asked, and nothing is trained."""

import time
from functools import partial

from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.stages.tables import EVERY_SEED, read_examples, unread
from w2s_trainer.stages.train.predictions import Predictions, asked_by


def ask_untuned(context: StageContext) -> StageResult:
    """Asks the model as it came about budget and test, the latter with its passages alone too, and writes what it says."""
    strong, family = context.spec.strong, family_of(context.spec)
    examples = read_examples(context.artifact("examples"), context.scratch)
    predictions = Predictions(examples, family.label_column, examples.rows("budget", "test", "oracle"))
    began = time.monotonic()
    asked = family.untuned_answers(
        context.model.directory,
        context.model.name,
        examples.texts.take(predictions.rows),
        strong.max_tokens,
        strong.batch_tokens,
        partial(context.progress, "asking the model"),
    )
    predictions.add("zero-shot", EVERY_SEED, 0, asked.values, asked.probability, asked.cut_off)
    predictions.write(context.output / "predictions.parquet")
    summary = {
        "arms": ["zero-shot"],
        "examples": {},
        "truncated": asked.truncated,
        "unreadable": asked.unreadable,
        "model": context.model.name,
        "tuning": "None",
        **asked_by(asked.prompt),
        "seconds": {"reading": round(time.monotonic() - began, 3), "fitting": {}},
    }
    return StageResult(summary, {"truncated": asked.truncated, **unread(asked.unreadable)})
