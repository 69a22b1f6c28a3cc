"""What results say of the stages before: their summaries, or None where a job has no such stage."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.stage import Role
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.evaluate.costs import detailed_costs
from w2s_trainer.stages.evaluate.sources import source_accuracies
from w2s_trainer.stages.evaluate.training import student_settings, training_summary
from w2s_trainer.stages.tables import Examples, WeakLabels, read_labels, refined_examples
from w2s_trainer.store.artifacts import Artifact

EXCERPT_CHARACTERS = 300
REFINED_EXAMPLES = 12


def of_training(context: StageContext, texts: int) -> dict[str, Any]:
    """What was trained, on how much, at which costs."""
    summary = training_summary(artifact.summary for artifact in context.artifacts("students"))
    costs = detailed_costs(summary, texts, family_of(context.spec).head_outputs)
    return {**summary, "costs": costs, "settings": student_settings(context.spec.strong)}


def of_sources(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], test: GoldTest
) -> list[dict[str, Any]]:
    """How good the labelers are, where answers are right or wrong."""
    family = family_of(context.spec)
    if not family.is_right_or_wrong:
        return []
    labels = {
        labeler.name: [
            WeakLabels(weak.targets[rows], weak.abstain[rows])
            for weak in read_labels(opinion, examples, context.scratch, family.label_column).values()
        ]
        for labeler, opinion in zip(context.spec.weak.labelers, context.artifacts("opinions"), strict=True)
    }
    return source_accuracies(labels, test, context.artifact("labels").summary.get("sources", {}))


def of_steps(context: StageContext, role: Role) -> list[dict[str, Any]]:
    """What results say of each step that changed the strong model, or the student, in order."""
    names = context.job.stage.roles.get(role, ())
    return [{"stage": name, **context.needs[name].summary} for name in names]


def of_retention(context: StageContext) -> dict[str, Any] | None:
    """What results say of what was forgotten; None where nobody asked."""
    if "retention" in context.job.stage.roles:
        return dict(context.artifact("retention").summary)
    return {"nothingToForget": True} if context.spec.evaluation.retention else None


def of_combination(context: StageContext) -> dict[str, Any] | None:
    """What results say of the combination; None where there is none."""
    return dict(context.artifact("combination").summary) if "combination" in context.job.stage.roles else None


def of_rounds(context: StageContext) -> dict[str, Any] | None:
    """What results say of the rounds of self-training, by seed; None where there are none."""
    if "rounds" not in context.job.stage.roles:
        return None
    *_, last = context.artifacts("rounds")
    return {name: last.summary[name] for name in ("heldOutLogLoss", "accepted")}


def of_synthesis(context: StageContext) -> dict[str, Any] | None:
    """What results say of the pairs that took the place of the pool; None where none did."""
    made = context.artifact("pairs" if "pairs" in context.job.stage.roles else "examples")
    return dict(made.summary) if made.stage == "synthesise" else None


def of_selection(context: StageContext) -> dict[str, Any]:
    """What results say of the selection; with some of the edits of texts, where there are any and texts may be quoted."""
    artifact = context.artifact("selection")
    quoted = context.spec.report.examples == "Excerpts"
    edits = refined_examples(artifact, context.scratch, REFINED_EXAMPLES) if quoted else []
    cut = [{name: excerpt(text) for name, text in edit.items()} for edit in edits]
    return {**artifact.summary, **({"refined": cut} if cut else {})}


def of_provenance(artifact: Artifact) -> dict[str, Any]:
    """Key, attempt, seconds and versions of an artifact, all shards together."""
    provenance = artifact.provenance
    first = provenance["shards"][0] if "shards" in provenance else provenance
    seconds = sum(shard["seconds"] for shard in provenance.get("shards", [provenance]))
    return {
        "key": artifact.key,
        "attempt": artifact.attempt,
        "seconds": round(seconds, 1),
        "versions": first.get("versions", {}),
    }


def excerpt(text: str) -> str:
    """The beginning of a text in one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT_CHARACTERS else flat[:EXCERPT_CHARACTERS].rsplit(" ", 1)[0] + " …"
