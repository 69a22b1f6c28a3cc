"""`finish`: one step after the training; a student is made of the student before it, and asked what that one was asked."""

from functools import partial

from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.families import family_of
from w2s_trainer.stages.finish.methods import finish_method
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.stages.train.predictions import Predictions, asked_by, asked_rows
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects

ARM = "strong"
"""Whose students are finished."""


def run(context: StageContext) -> StageResult:
    """Does the step that the stage is for; its files are those of a student that was trained."""
    from w2s_trainer.stages.session import save_student  # imports torch, which other stages need not wait for
    from w2s_trainer.stages.train.tuned import STUDENT

    stage, spec, family = context.job.stage, context.spec, family_of(context.spec)
    assert stage.step is not None
    assert stage.seed is not None
    step = spec.strong.finish.steps[stage.step]
    examples = read_examples(context.artifact("examples"), context.scratch)
    student, figures = finish_method(step.settings).finish(context, step.settings, examples)

    trained_on = context.artifact("student").summary["examples"]
    rows = asked_rows(spec, ARM, examples)
    asked = examples.texts.take(rows)
    tokens = family.student_tokens(student, asked, spec.strong.max_tokens)
    answers = family.student_answers(
        student,
        asked,
        tokens,
        max_tokens=spec.strong.max_tokens,
        batch_tokens=spec.strong.batch_tokens,
        progress=partial(context.progress, "asking"),
    )
    predictions = Predictions(examples, family.label_column, rows)
    predictions.add(ARM, stage.seed, trained_on[ARM], answers.values, answers.probability, answers.cut_off)
    predictions.write(context.output / "predictions.parquet")
    save_student(student, context.output / STUDENT)
    summary = {
        "type": step.type,
        "words": step.settings.in_words(),
        "model": context.model.name,
        "arm": ARM,
        "seed": stage.seed,
        "examples": trained_on,
        "figures": figures,
        **asked_by(answers.prompt),
    }
    told = ("share", "pairs", "steps", "accuracy", "seconds")
    return StageResult(summary, {name: figures[name] for name in told if name in figures})


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints."""
    clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))
