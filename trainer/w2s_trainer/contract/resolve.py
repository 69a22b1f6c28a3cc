"""Content keys of a whole plan: which of its artifacts exist already."""

from collections.abc import Mapping

from w2s_api.keys import content_key
from w2s_api.stage import Stage
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.objects import Objects


def read_digests(stage: Stage, objects: Objects) -> dict[str, str]:
    """Digests of the data and models that a stage reads from outside, by URI.

    Raises:
        BadSpec: a model has a file that cannot be read; `prepare` so finds it for every stage.
    """
    from w2s_trainer.data.sources import source_digest
    from w2s_trainer.models.uri import check_model_files, model_digest

    for read in stage.reads:
        if read.what == "model":
            check_model_files(read.uri, objects)
    return {
        read.uri: (model_digest if read.what == "model" else source_digest)(read.uri, objects)
        for read in stage.reads
    }


def complete_artifacts(
    stages: tuple[Stage, ...], prepared: str, objects: Objects, store: ArtifactStore
) -> dict[str, str]:
    """Content keys of the artifacts of a plan that are complete, by stage name.

    Args:
        stages: the whole plan, in order.
        prepared: the content key of the `prepare` artifact.
    """
    keys: dict[str, str] = {}
    complete: dict[str, str] = {}
    digests: Mapping[str, str]
    for stage in stages:
        if stage.kind == "prepare":
            keys[stage.name] = complete[stage.name] = prepared
            continue
        digests = read_digests(stage, objects)
        keys[stage.name] = content_key(stage.key, {need: keys[need] for need in stage.needs}, digests)
        if store.find(stage.kind, keys[stage.name]):
            complete[stage.name] = keys[stage.name]
    return complete
