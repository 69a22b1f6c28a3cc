"""`label`: one weak labeler's opinion of every text, with what produced it. Abstention is a mask."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.calibration import calibrated
from w2s_trainer.stages.label.methods import opinions_of, tell
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.tables import EVERY_SEED, Examples, column_of, read_examples, unread, write_table
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Labels this shard's rows with the stage's labeler."""
    labeler = next(
        labeler for labeler in context.spec.weak.labelers if labeler.name == context.job.stage.labeler
    )
    examples = read_examples(context.artifact("examples"), context.scratch)
    index, count = context.shard
    rows = np.array_split(np.arange(len(examples), dtype=np.int64), count)[index]
    opinions, temperatures = _opinions(context, labeler, examples, rows)

    _write(context, opinions, examples.ids.take(rows).arrow())
    summary = {
        "labeler": labeler.name,
        "type": labeler.type,
        "calibrated": labeler.calibration != "None" or bool(labeler.settings.not_calibrated_because),
        "perSeed": sorted(opinions) != [EVERY_SEED],
        "rows": len(rows),
        **_counts(opinions),
        **({"temperature": {str(s): round(t, 4) for s, t in temperatures.items()}} if temperatures else {}),
        **_figures(opinions),
    }
    key_figures = {name: summary[name] for name in ("rows", "abstained", "truncated")}
    if count == 1 and (silent := tell(context, labeler, summary)):
        key_figures["warnings"] = silent
    return StageResult(summary, key_figures | unread(opinions[min(opinions)].unreadable))


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints. A shard whose siblings may still be tuning leaves them theirs."""
    if artifact.shard is None:
        clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))


def _opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> tuple[dict[int, Opinion], dict[int, float]]:
    """Opinions on the rows by seed, and the temperatures, if they were calibrated."""
    method = opinions_of(labeler)
    if labeler.calibration == "None":
        return method(context, labeler, examples, rows), {}
    # A shard needs the opinions on the gold budget too: the temperature must be that of the whole.
    asked = np.union1d(rows, examples.rows("budget"))
    return calibrated(context, examples, method(context, labeler, examples, asked), asked, rows)


def _write(context: StageContext, opinions: Mapping[int, Opinion], ids: pa.Array) -> None:
    index, count = context.shard
    suffix = "" if count == 1 else f"-{index}-of-{count}"
    seeds = sorted(opinions)
    family = family_of(context.spec)
    by_seed = [family.opinion_columns(opinions[seed]) for seed in seeds]
    write_table(
        {
            "id": pa.concat_arrays([ids] * len(seeds)),
            "seed": np.repeat(np.array(seeds, dtype=np.int32), len(ids)),
            **{
                name: column_of(np.concatenate([columns[name] for columns in by_seed])) for name in by_seed[0]
            },
            "abstain": np.concatenate([opinions[seed].abstain for seed in seeds]),
        },
        context.output / f"labels{suffix}.parquet",
    )


def _counts(opinions: Mapping[int, Opinion]) -> dict[str, int]:
    """Counts what the first seed's opinion abstained on, cut, or could not read."""
    first = opinions[min(opinions)]
    order_sensitive = (
        {} if first.order_sensitive is None else {"orderSensitive": int(first.order_sensitive.sum())}
    )
    return {
        "abstained": int(first.abstain.sum()),
        "truncated": first.truncated,
        **unread(first.unreadable),
        **order_sensitive,
    }


def _figures(opinions: Mapping[int, Opinion]) -> dict[str, dict[str, Any]]:
    """Collects the figures of the opinions, by name and seed."""
    names = dict.fromkeys(name for opinion in opinions.values() for name in opinion.figures)
    return {
        name: {
            str(seed): opinion.figures[name] for seed, opinion in opinions.items() if name in opinion.figures
        }
        for name in names
    }
