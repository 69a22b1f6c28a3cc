"""`promote`: writes the candidate, and publishes it under a stable name if the gate let it through."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_api.pipeline import FIRST_SEED
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.families import family_of
from w2s_trainer.families.predicting import mark
from w2s_trainer.stages.combine import WEIGHTS
from w2s_trainer.stages.combine.published import LABELERS, write_combination
from w2s_trainer.stages.combine.published_texts import STUDENT_ON_GOLD, write_choice
from w2s_trainer.stages.label.opinion import TO_PUBLISH
from w2s_trainer.stages.promote.card import has_adapter, model_card
from w2s_trainer.stages.train.heads import arrays_of, read_heads
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects

CANDIDATE = "candidate.json"


def run(context: StageContext) -> StageResult:
    """Writes the model, whether it passed or not: a job that ended well leaves something to look at."""
    results = json.loads(context.artifact("results").read("results.json"))
    summary = dict(results["decision"])
    _write_model(context, results)
    return StageResult(summary, figures(summary))


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the last words tell of a decision, whichever job made it."""
    return {"promoted": summary["promoted"], "reasons": summary["reasons"]}


def publish(job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """Copies a promoted model to its stable name, where nothing else is left; `model.json`, written last, names
    each file's sha256.

    A model that was not promoted leaves the one that was published before it where it is. `candidate.json` names the
    newest model in any case, and what the gate said of it.
    """
    files = {
        name.removeprefix("model/"): info
        for name, info in artifact.files.items()
        if name.startswith("model/")
    }
    made: dict[str, Any] = {
        "artifact": f"{artifact.uri}model/",
        "key": artifact.key,
        "files": {name: {"sha256": info.sha256, "size": info.size} for name, info in files.items()},
    }
    candidate = {"uri": made["artifact"], **made, **figures(artifact.summary)}
    objects.write(
        store.job_uri(job.namespace, job.name, CANDIDATE),
        json.dumps(candidate, indent=1).encode(),
        content_type="application/json",
    )
    if not artifact.summary["promoted"]:
        return
    pointer = {"uri": store.job_uri(job.namespace, job.name, "model/"), **made}
    place = store.job_uri(job.namespace, job.name, "model.json")
    if objects.stat(place) and json.loads(objects.read(place)) == pointer:
        return
    for name, info in files.items():
        objects.copy(info.uri, pointer["uri"] + name)
    there = {info.uri.removeprefix(pointer["uri"]) for info in objects.list(pointer["uri"])}
    objects.delete(pointer["uri"] + name for name in sorted(there - files.keys()))
    objects.write(place, json.dumps(pointer, indent=1).encode(), content_type="application/json")


def _write_model(context: StageContext, results: dict[str, Any]) -> None:
    spec, directory = context.spec, context.output / "model"
    family = family_of(spec)
    pretrained = context.model.directory
    round_ = _accepted_round(context)
    combined = context.artifact("combination") if _is_combined(context, round_) else None
    students = None
    if combined and not family.is_joined_by_choice:
        students = arrays_of(read_heads(combined, context.scratch), "students", FIRST_SEED)
    if spec.strong.tuning.settings.on_frozen_model:
        trained, arm = (round_, round_.summary["arm"]) if round_ else (context.artifact("student"), "strong")
        arrays = students or arrays_of(read_heads(trained, context.scratch), arm, FIRST_SEED)
        family.publish_head(pretrained, arrays, spec.strong, directory)
        students = None  # they are in the model itself
    else:
        from w2s_trainer.stages.promote.student import publish_student
        from w2s_trainer.stages.train.tuned import STUDENT

        trained = context.artifact("student")
        publish_student(pretrained, spec, trained.fetch(STUDENT, context.scratch), directory)
    if combined:
        weights = json.loads(combined.read(WEIGHTS))[str(FIRST_SEED)]
        if family.is_joined_by_choice:
            write_choice(spec, weights, _temperatures(results), directory)
            _write_gold_student(context, directory / STUDENT_ON_GOLD)
        else:
            adapted = pretrained if context.model.artifact else None
            write_combination(spec, weights, _temperatures(results), students, directory, adapted)
        labelers = [labeler.name for labeler in spec.weak.labelers]
        for name, opinion in zip(labelers, context.artifacts("opinions"), strict=True):
            _take_along(opinion, context.scratch / opinion.key, directory / LABELERS / name)
    mark(directory, family, spec)
    (directory / "README.md").write_text(
        model_card(results, spec, family.card(results, directory), has_adapter(directory))
    )


def _accepted_round(context: StageContext) -> Artifact | None:
    """The last round of self-training that the published seed accepts; None where that is the first, or there are no others."""
    if "rounds" not in context.job.stage.roles:
        return None
    rounds = context.artifacts("rounds")
    accepted = rounds[-1].summary["accepted"][str(FIRST_SEED)]
    return rounds[accepted - 2] if accepted > 1 else None


def _is_combined(context: StageContext, round_: Artifact | None) -> bool:
    return "combination" in context.job.stage.roles and round_ is None


def _write_gold_student(context: StageContext, directory: Path) -> None:
    """Publishes the student on gold labels as a model of its own, if it is among those that write."""
    if "gold-student" not in context.job.stage.roles:
        return
    from w2s_trainer.stages.promote.student import publish_student
    from w2s_trainer.stages.train.tuned import STUDENT

    weights = context.artifact("gold-student").fetch(STUDENT, context.scratch / "gold-student")
    publish_student(context.model.directory, context.spec, weights, directory, apart=False)
    mark(directory, family_of(context.spec), context.spec)


def _take_along(opinion: Artifact, scratch: Path, directory: Path) -> None:
    """Copies what a labeler left to be published, if anything."""
    left = opinion.fetch_all(scratch, TO_PUBLISH) / TO_PUBLISH
    if left.exists():
        shutil.copytree(left, directory)


def _temperatures(results: Mapping[str, Any]) -> dict[str, float]:
    """That of the published seed, of each labeler that was calibrated."""
    return {
        labeler["labeler"]: labeler["temperature"][str(FIRST_SEED)]
        for labeler in results["labelers"]
        if "temperature" in labeler
    }
