"""`aggregate`: what several labelers say of a text becomes one weak label."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_api.spec.job import Spec
from w2s_api.stage import Role
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.report.beforehand import foretold
from w2s_trainer.stages.aggregate.methods import Asked, Sources, Texts, aggregation_of
from w2s_trainer.stages.aggregate.summary import sources_summary, warnings_of
from w2s_trainer.stages.beforehand import KNOWN, facts_from, facts_of
from w2s_trainer.stages.features import features_of
from w2s_trainer.stages.label.methods import tell
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    column_of,
    of_seed,
    read_examples,
    read_labels,
    write_table,
)
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Aggregates the labels of all labelers, for each seed if any labeler is drawn per seed."""
    spec = context.spec
    examples = read_examples(context.artifact("examples"), context.scratch)
    names = [labeler.name for labeler in spec.weak.labelers]
    opinions = context.artifacts("opinions")
    for labeler, opinion in zip(spec.weak.labelers, opinions, strict=True):
        if labeler.shards > 1:  # no shard knows what the others have seen
            tell(context, labeler, whole_summary(opinion.summary))
    family = family_of(spec)
    labels = [read_labels(opinion, examples, context.scratch, family.label_column) for opinion in opinions]
    seeds = sorted({seed for by_seed in labels for seed in by_seed} - {EVERY_SEED}) or [EVERY_SEED]
    settings = spec.aggregation.settings
    aggregate = aggregation_of(settings)
    pool = examples.rows("pool")
    texts = _texts(context, examples) if settings.reads_features else None
    asked: dict[int, Asked] = {}
    if settings.asks_question:
        loaded: dict[str, CausalModel] = {}
        asked = {seed: Asked(context, examples.texts, seed, loaded) for seed in seeds}
    sources = {
        seed: Sources(
            dict(zip(names, (of_seed(by_seed, seed) for by_seed in labels), strict=True)),
            pool,
            family,
            texts,
            asked.get(seed),
        )
        for seed in seeds
    }
    outcomes = {seed: aggregate(settings, sources[seed]) for seed in seeds}
    aggregated = {seed: outcome.labels for seed, outcome in outcomes.items()}
    for weak in aggregated.values():
        if weak.abstain[pool].all():
            raise _nothing_to_train_on(len(pool), names)
    write_table(
        {
            "id": pa.concat_arrays([examples.ids.arrow()] * len(seeds)),
            "seed": np.repeat(np.array(seeds, dtype=np.int32), len(examples)),
            family.label_column: column_of(np.concatenate([aggregated[seed].targets for seed in seeds])),
            "abstain": np.concatenate([aggregated[seed].abstain for seed in seeds]),
        },
        context.output / "labels.parquet",
    )
    first = aggregated[seeds[0]]
    voted = pool[~first.abstain[pool]]
    covered = len(voted) / max(1, len(pool))
    summary = {
        "labelers": names,
        "covered": round(covered, 6),
        **family.weak_summary(first.targets[voted]),
        "perSeed": seeds != [EVERY_SEED],
        **sources_summary(sources[seeds[0]], outcomes[seeds[0]]),
        **outcomes[seeds[0]].figures,
    }
    known = facts_from(spec, examples, aggregated, labels, context.artifacts, context.scratch)
    if known is not None:
        summary[KNOWN] = known
    warnings = warnings_of(summary)
    for warning in warnings:
        context.progress.note(f"Warning: {warning}")
    return StageResult(
        summary, {"covered": summary["covered"], **({"warnings": len(warnings)} if warnings else {})}
    )


def foretell(spec: Spec, artifacts: Callable[[Role], Sequence[Artifact]], scratch: Path) -> dict[str, Any]:
    """What is said of the job before a student is trained (`report.beforehand.foretold`), for the last words.

    Args:
        spec: of the job.
        artifacts: by role; `labels` are those of this stage.
        scratch: a directory for downloads.
    """
    return foretold(facts_of(spec, artifacts, scratch))


def publish(job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no saved answers."""
    if job.spec.aggregation.settings.asks_question:
        clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))


def _texts(context: StageContext, examples: Examples) -> Texts:
    strong = context.spec.strong

    @cache
    def features() -> NDArray[np.float32]:
        return features_of(context, strong.max_tokens, strong.batch_tokens).matrix

    return Texts(features, examples.families, float(strong.tuning.head_settings.l2), context.progress)


def _nothing_to_train_on(texts: int, labelers: Sequence[str]) -> BadData:
    return BadData(
        "NothingToTrainOn",
        f"None of {texts:,} unlabelled texts has a weak label: {', '.join(labelers)}"
        f" {'abstains' if len(labelers) == 1 else 'abstain'} on all of them.",
        "Mend the rules (the log of `label` says how often each votes), or add a labeler that always answers.",
    )
