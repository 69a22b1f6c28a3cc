"""Pools of points in place of texts: two clouds, weak labels of which some are planted wrong, families of three."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.data import Data
from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.selection import Selection
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.stages.select import Selected, select
from w2s_trainer.stages.select.methods import Sights
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

RULES = {"rules": [{"className": "a", "keywords": ["x"]}]}


@dataclass(frozen=True)
class Pool:
    """Points, n of them, with their classes."""

    ids: list[str]
    features: NDArray[np.float32]
    families: NDArray[np.int64]
    truth: NDArray[np.int64]
    weak: NDArray[np.float64]
    parts: NDArray[np.str_]
    opinions: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return self.weak.argmax(axis=1) != self.truth

    def at(self, order: NDArray[np.int64]) -> "Pool":
        """The same points in another order, with their families numbered otherwise."""
        numbers = np.random.default_rng(3).permutation(self.families.max() + 1)
        return replace(
            self,
            ids=[self.ids[place] for place in order],
            features=self.features[order],
            families=numbers[self.families[order]],
            truth=self.truth[order],
            weak=self.weak[order],
            parts=self.parts[order],
            opinions={name: said[order] for name, said in self.opinions.items()},
        )


def clouds(n: int = 240, noise: float = 0.2, seed: int = 0, distance: float = 2.0, budget: int = 0) -> Pool:
    """Two clouds of unit variance in eight dimensions; a share of the weak labels is flipped, whatever the point."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    features = rng.normal(size=(n, 8)) + 5.0
    features[:, 0] += np.where(truth == 1, distance, -distance)
    said = np.where(rng.random(n) < noise, 1 - truth, truth)
    return Pool(
        [f"text-{place}" for place in range(n)],
        features.astype(np.float32),
        np.arange(n) // 3,
        truth,
        np.eye(2)[said] * 0.8 + 0.1,
        np.array(["budget"] * budget + ["pool"] * (n - budget)),
    )


def selected(
    pool: Pool, *steps: dict[str, Any], labelers: int = 1, output: Any = None, **data: Any
) -> dict[int, Selected]:
    """What steps keep of a pool, by seed; `output` is where a step may write."""
    given = [{"name": f"rules-{n}", "type": "Functions", "functions": RULES} for n in range(labelers)]
    spec = SimpleNamespace(
        task=Task.model_validate({"classes": [{"name": "a"}, {"name": "b"}]}),
        data=Data.model_validate(
            {"unlabeled": {"uri": "s3://bucket/a/"}, "gold": {"uri": "s3://bucket/b.csv"}, **data}
        ),
        evaluation=Evaluation.model_validate({"seeds": 2}),
        strong=Strong.model_validate({"model": {"uri": "hf://a/b"}, "tuning": {"head": {"l2": "1"}}}),
        weak=SimpleNamespace(labelers=[Labeler.model_validate(one) for one in given]),
        selection=Selection.model_validate({"steps": list(steps)}),
    )
    prepared = SimpleNamespace(files={})  # of a job in which nobody was asked
    context: Any = SimpleNamespace(
        spec=spec, progress=lambda *_words: None, artifact=lambda _role: prepared, scratch=None, output=output
    )
    examples = Examples(pool.ids, [""] * len(pool.ids), pool.parts, pool.families)
    weak = WeakLabels(pool.weak, np.zeros(len(pool.ids), dtype=bool))
    sights = Sights(context, examples)
    gold = np.where(pool.parts == "budget", pool.truth, -1)
    opinions = {
        name: {EVERY_SEED: WeakLabels(said, said.sum(axis=1) == 0)} for name, said in pool.opinions.items()
    }
    vars(sights).update(features=pool.features, gold=gold, opinions=opinions)
    return select(context, examples, {EVERY_SEED: weak}, sights)


def kept_ids(pool: Pool, one: Selected) -> dict[str, float]:
    """What each kept text counts, by its id."""
    return {
        pool.ids[row]: weight
        for row, weight in zip(one.left.rows.tolist(), one.left.weights.tolist(), strict=True)
    }


def dropped(pool: Pool, one: Selected) -> NDArray[np.bool_]:
    """Which of all points were in the pool and are kept no more."""
    gone = pool.parts == "pool"
    gone[one.left.rows] = False
    return gone
