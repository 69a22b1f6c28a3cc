"""`promote`: publishes the model under a stable name, if the gate let it through."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_api.pipeline import FIRST_SEED
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.families import TaskFamily, family_of
from w2s_trainer.families.predicting import mark
from w2s_trainer.stages.promote.card import has_adapter, model_card
from w2s_trainer.stages.tables import EVERY_SEED
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Writes the model if it passed."""
    results = json.loads(context.artifact("results").read("results.json"))
    summary = dict(results["decision"])
    if summary["promoted"]:
        _write_model(context, results)
    return StageResult(summary, figures(summary))


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the last words tell of a decision, whichever job made it."""
    return {"promoted": summary["promoted"], "reasons": summary["reasons"]}


def publish(job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """Copies a promoted model to its stable name, where nothing else is left; `model.json`, written last, names
    each file's sha256.

    A model that was not promoted leaves the one that was published before it where it is.
    """
    if not artifact.summary["promoted"]:
        return
    files = {
        name.removeprefix("model/"): info
        for name, info in artifact.files.items()
        if name.startswith("model/")
    }
    pointer: dict[str, Any] = {
        "uri": store.job_uri(job.namespace, job.name, "model/"),
        "artifact": f"{artifact.uri}model/",
        "key": artifact.key,
        "files": {name: {"sha256": info.sha256, "size": info.size} for name, info in files.items()},
    }
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
    if spec.strong.tuning.settings.on_frozen_model:
        _write_head(context, family, pretrained, directory)
    else:
        from w2s_trainer.stages.promote.student import publish_student
        from w2s_trainer.stages.train.tuned import STUDENT

        trained = context.artifact("student")
        publish_student(pretrained, spec, trained.fetch(STUDENT, context.scratch), directory)
    mark(directory, family)
    (directory / "README.md").write_text(
        model_card(results, spec, family.card(results, directory), has_adapter(directory))
    )


def _write_head(context: StageContext, family: TaskFamily, pretrained: Path, directory: Path) -> None:
    from safetensors.numpy import load_file

    heads = load_file(context.artifact("student").fetch("heads.safetensors", context.scratch))
    seeds = (f"strong.{seed}." for seed in (EVERY_SEED, FIRST_SEED))
    prefix = next(prefix for prefix in seeds if any(name.startswith(prefix) for name in heads))
    arrays = {name.removeprefix(prefix): values for name, values in heads.items() if name.startswith(prefix)}
    family.publish_head(pretrained, arrays, context.spec.strong, directory)
