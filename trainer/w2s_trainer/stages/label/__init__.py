"""`label`: one weak labeler's opinion of every text, with what produced it. Abstention is a mask."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.stages.label.calibration import calibrated
from w2s_trainer.stages.label.classifier import classify
from w2s_trainer.stages.label.finetuned import finetune
from w2s_trainer.stages.label.functions import apply_rules
from w2s_trainer.stages.label.opinion import Method, Opinion, path_of
from w2s_trainer.stages.label.prompted import ask
from w2s_trainer.stages.tables import EVERY_SEED, Examples, lists, read_examples, unread, write_table
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects
from w2s_trainer.tally import silences, tally_of, votes_by_rule

METHODS: Mapping[str, Method] = {
    "Classifier": classify,
    "Finetuned": finetune,
    "Prompted": ask,
    "Functions": apply_rules,
}


def run(context: StageContext) -> StageResult:
    """Labels this shard's rows with the stage's labeler."""
    labeler = next(one for one in context.spec.weak.labelers if one.name == context.job.stage.labeler)
    examples = read_examples(context.artifact("examples"), context.scratch)
    index, count = context.shard
    rows = np.array_split(np.arange(len(examples), dtype=np.int64), count)[index]
    opinions, temperatures = _opinions(context, labeler, examples, rows)

    _write(context, opinions, examples.ids.take(rows).arrow())
    summary = {
        "labeler": labeler.name,
        "type": labeler.type,
        "calibrated": labeler.calibration != "None" or labeler.type == "Finetuned",
        "perSeed": sorted(opinions) != [EVERY_SEED],
        "rows": len(rows),
        **_counts(opinions),
        **({"temperature": {str(s): round(t, 4) for s, t in temperatures.items()}} if temperatures else {}),
        **_figures(opinions),
    }
    key_figures = {name: summary[name] for name in ("rows", "abstained", "truncated")}
    if count == 1 and (silent := say_votes(context, labeler, summary)):
        key_figures["warnings"] = silent
    return StageResult(summary, key_figures | unread(opinions[min(opinions)].unreadable))


def say_votes(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes how often rules vote on the unlabelled texts, and which never do; returns how many notes warn.

    Args:
        context: is told.
        labeler: of any type; one without rules has nothing to say.
        summary: of all its shards.
    """
    found = tally_of(summary)
    if found is None or labeler.functions is None:
        return 0
    context.progress.note(f"{labeler.name}: {votes_by_rule(found)}")
    warnings = silences(found, labeler.functions, f"{path_of(context, labeler)}.functions")
    for warning in warnings:
        context.progress.note(f"Warning: {warning}")
    return len(warnings)


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints. A shard whose siblings may still be tuning leaves them theirs."""
    if artifact.shard is None:
        clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))


def _opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> tuple[dict[int, Opinion], dict[int, float]]:
    """Opinions on the rows by seed, and the temperatures, if they were calibrated."""
    method = METHODS[labeler.type]
    if labeler.calibration == "None":
        return method(context, labeler, examples, rows), {}
    # A shard needs the opinions on the gold budget too: the temperature must be that of the whole.
    asked = np.union1d(rows, examples.rows("budget"))
    return calibrated(context, examples, method(context, labeler, examples, asked), asked, rows)


def _write(context: StageContext, opinions: Mapping[int, Opinion], ids: pa.Array) -> None:
    index, count = context.shard
    suffix = "" if count == 1 else f"-{index}-of-{count}"
    seeds = sorted(opinions)
    write_table(
        {
            "id": pa.concat_arrays([ids] * len(seeds)),
            "seed": np.repeat(np.array(seeds, dtype=np.int32), len(ids)),
            "scores": lists(np.concatenate([opinions[seed].scores for seed in seeds])),
            "probabilities": lists(np.concatenate([opinions[seed].probabilities for seed in seeds])),
            "abstain": np.concatenate([opinions[seed].abstain for seed in seeds]),
        },
        context.output / f"labels{suffix}.parquet",
    )


def _counts(opinions: Mapping[int, Opinion]) -> dict[str, int]:
    """Of the first seed."""
    first = opinions[min(opinions)]
    order_sensitive = (
        {} if first.order_sensitive is None else {"order_sensitive": int(first.order_sensitive.sum())}
    )
    return {
        "abstained": int(first.abstain.sum()),
        "truncated": first.truncated,
        **unread(first.unreadable),
        **order_sensitive,
    }


def _figures(opinions: Mapping[int, Opinion]) -> dict[str, dict[str, Any]]:
    """By name and seed."""
    names = dict.fromkeys(name for opinion in opinions.values() for name in opinion.figures)
    return {
        name: {str(seed): one.figures[name] for seed, one in opinions.items() if name in one.figures}
        for name in names
    }
