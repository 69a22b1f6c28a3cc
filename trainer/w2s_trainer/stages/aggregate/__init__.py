"""`aggregate`: several labelers become one distribution per text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.errors import BadData
from w2s_trainer.stages.aggregate.weighted_average import weighted_average
from w2s_trainer.stages.label import say_votes
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    WeakLabels,
    lists,
    of_seed,
    read_examples,
    read_labels,
    write_table,
)

METHODS: Mapping[str, Callable[[Sequence[WeakLabels], Sequence[float]], WeakLabels]] = {
    "WeightedAverage": weighted_average,
}


def run(context: StageContext) -> StageResult:
    """Aggregates the labels of all labelers, for each seed if any labeler is drawn per seed."""
    spec = context.spec
    examples = read_examples(context.artifact("examples"), context.scratch)
    names = [labeler.name for labeler in spec.weak.labelers]
    opinions = context.artifacts("opinions")
    for labeler, opinion in zip(spec.weak.labelers, opinions, strict=True):
        if labeler.shards > 1:  # no shard knows what the others have seen
            say_votes(context, labeler, whole_summary(opinion.summary))
    labels = [read_labels(opinion, examples, context.scratch) for opinion in opinions]
    given = {w.labeler: float(w.weight) for w in _weights(context)}
    seeds = sorted({seed for one in labels for seed in one} - {EVERY_SEED}) or [EVERY_SEED]
    method = METHODS[spec.aggregation.type]
    found = {
        seed: method([of_seed(one, seed) for one in labels], [given.get(name, 1.0) for name in names])
        for seed in seeds
    }
    pool = examples.rows("pool")
    for weak in found.values():
        if weak.abstain[pool].all():
            raise _nothing_to_train_on(len(pool), names)
    write_table(
        {
            "id": pa.concat_arrays([examples.ids.arrow()] * len(seeds)),
            "seed": np.repeat(np.array(seeds, dtype=np.int32), len(examples)),
            "probabilities": lists(np.concatenate([found[seed].probabilities for seed in seeds])),
            "abstain": np.concatenate([found[seed].abstain for seed in seeds]),
        },
        context.output / "labels.parquet",
    )
    first = found[seeds[0]]
    voted = pool[~first.abstain[pool]]
    shares = np.bincount(first.probabilities[voted].argmax(axis=1), minlength=len(spec.task.classes))
    covered = len(voted) / max(1, len(pool))
    summary = {
        "labelers": names,
        "covered": round(covered, 6),
        "classShares": {
            name: round(int(count) / max(1, len(voted)), 6)
            for name, count in zip(spec.task.class_names, shares, strict=True)
        },
        "perSeed": seeds != [EVERY_SEED],
    }
    return StageResult(summary, {"covered": summary["covered"]})


def _nothing_to_train_on(texts: int, labelers: Sequence[str]) -> BadData:
    return BadData(
        "NothingToTrainOn",
        f"None of {texts:,} unlabelled texts has a weak label: {', '.join(labelers)}"
        f" {'abstains' if len(labelers) == 1 else 'abstain'} on all of them.",
        "Mend the rules (the log of `label` says how often each votes), or add a labeler that always answers.",
    )


def _weights(context: StageContext) -> Sequence:  # type: ignore[type-arg]
    average = context.spec.aggregation.weighted_average
    return average.weights if average else ()
