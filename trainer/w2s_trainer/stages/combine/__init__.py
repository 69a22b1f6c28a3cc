"""`combine`: the arm `combined`, teacher and students joined (docs/protocol.md, The combination)."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.stages.combine.combination import Combination, combination_of
from w2s_trainer.stages.combine.log_odds import log_softmax
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.combine.texts import WEIGHTS, choose_texts
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.stages.train.heads import named, write_heads
from w2s_trainer.stages.train.predictions import Predictions

__all__ = ["WEIGHTS", "run"]


def run(context: StageContext) -> StageResult:
    """Fits the weights of each seed, writes them, the merged students and what the combination answers."""
    spec = context.spec
    if family_of(spec).is_joined_by_choice:
        return choose_texts(context)
    examples = read_examples(context.artifact("examples"), context.scratch)
    known = CombinedSources(context, examples)
    predictions = Predictions(
        examples, family_of(spec).label_column, np.union1d(examples.rows("test"), known.pool)
    )
    is_one_model = ARMS["students"].absent(spec) is None
    heads: dict[str, NDArray[np.float32]] = {}
    combinations: dict[int, Combination] = {}
    for seed in range(spec.evaluation.seeds):
        drawn = teaching_budget(context, examples, known.gold, seed)
        combination = combinations[seed] = combination_of(known, drawn, known.shown(drawn, seed), seed)
        predictions.add("combined", seed, len(drawn), combination.probabilities(predictions.rows))
        if combination.heads:
            merged = combination.students
            heads |= named("students", seed, vars(merged))
            if is_one_model:
                said = known.of_head(merged)(predictions.rows)
                predictions.add("students", seed, len(drawn), np.exp(log_softmax(said.log_odds)))
        context.progress("combining", seed + 1, spec.evaluation.seeds)
    predictions.write(context.output / "predictions.parquet")
    write_heads(heads, context.output)
    by_seed = {str(seed): combination.weights.to_json() for seed, combination in combinations.items()}
    (context.output / WEIGHTS).write_text(json.dumps(by_seed))
    return StageResult(_summary(combinations))


def _summary(combinations: dict[int, Combination]) -> dict[str, Any]:
    return {
        "sources": list(combinations[min(combinations)].sources),
        "weights": {
            str(seed): {name: round(scale, 4) for name, scale in combination.weights.scale.items()}
            for seed, combination in combinations.items()
        },
        "goldLabels": {str(seed): combination.gold_labels for seed, combination in combinations.items()},
        "goldL2": {str(seed): combination.gold_l2 for seed, combination in combinations.items()},
    }
