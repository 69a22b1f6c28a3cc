"""Pools of written texts beside their sources."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.selection import Selection
from w2s_api.spec.task import Task
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.stages.select import Selected, select
from w2s_trainer.stages.select.methods import Sights
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

TASK = Task.model_validate({"type": "Generation", "generation": {}})


def weak_of(texts: Sequence[str]) -> WeakLabels:
    """Weak labels that abstain where nothing is written."""
    return WeakLabels(texts_of(texts), np.array([not text for text in texts]))


def selected_texts(
    pairs: Sequence[tuple[str, str]],
    *steps: dict[str, Any],
    opinions: Mapping[str, Sequence[str]] | None = None,
    sees: Mapping[str, Any] | None = None,
    **more: Any,
) -> Selected:
    """What steps keep of texts that were written about sources.

    Args:
        pairs: (text, source) of each row of the pool.
        steps: of the manifest.
        opinions: what each labeler wrote about each row, by its name; empty where it abstains.
        sees: what else steps may look at, by the name of the sight.
        more: what else the context of the stage has.
    """
    opinions = opinions or {"rules": [text for text, _ in pairs]}
    spec = SimpleNamespace(
        task=TASK,
        evaluation=Evaluation(),
        strong=SimpleNamespace(max_tokens=64, batch_tokens=512),
        weak=SimpleNamespace(labelers=[SimpleNamespace(name=name) for name in opinions]),
        selection=Selection.model_validate({"steps": list(steps)}),
    )
    context: Any = SimpleNamespace(**{"spec": spec, "progress": lambda *_words: None, **more})
    count = len(pairs)
    examples = Examples(
        [f"text-{row}" for row in range(count)],
        [source for _, source in pairs],
        np.array(["pool"] * count),
        np.arange(count),
    )
    sights = Sights(context, examples)
    vars(sights).update(
        opinions={name: {EVERY_SEED: weak_of(said)} for name, said in opinions.items()}, **(sees or {})
    )
    weak = weak_of([text for text, _ in pairs])
    return select(context, examples, {EVERY_SEED: weak}, sights)[EVERY_SEED]
