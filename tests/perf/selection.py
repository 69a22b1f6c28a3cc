"""What selection steps cost: `OMP_NUM_THREADS=1 python tests/perf/selection.py --texts 10000 50000` prints the table of
docs/selection.md.

Texts are random points in the number of dimensions of MiniLM, in families of two, with weak labels of four classes of which a
fifth is wrong. Seconds are of the processor, since the machine may be busy; memory is the most that was added to what the
features take.
"""

import argparse
import resource
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.selection import Selection
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.stages.select import select
from w2s_trainer.stages.select.methods import Sights
from w2s_trainer.stages.tables import Examples, WeakLabels

DIMENSIONS, CLASSES, BUDGET = 384, 4, 200
LABELER = {
    "name": "any",
    "type": "Functions",
    "functions": {"rules": [{"className": "any", "keywords": ["any"]}]},
}
NOBODY_ASKED = SimpleNamespace(files={})
STEPS: dict[str, dict[str, Any]] = {
    "Confidence": {"confidence": {"keepFractionPerClass": "0.7"}},
    "Shares": {"shares": {"like": "GoldBudget"}},
    "Trust": {"trust": {"keepFractionPerClass": "0.7"}},
    "ConfidentLearning": {"confidentLearning": {}},
    "StudentLoss": {"studentLoss": {}},
    "Correction": {"correction": {}},
    "Neighbours": {"neighbours": {"keepFractionPerClass": "0.7"}},
    "Diversity": {"diversity": {"keepFractionPerClass": "0.1"}},
}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--texts", type=int, nargs="+", default=[10_000, 50_000])
    arguments.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    given = arguments.parse_args()
    print("| step | texts | processor seconds | MiB added, so far |\n|---|---|---|---|")
    for n in given.texts:
        sights, labels, examples = pool_of(n)
        before = most_memory()
        for name in given.steps:
            spec = spec_of({"type": name, **STEPS[name]})
            context: Any = SimpleNamespace(
                spec=spec, progress=lambda *_words: None, artifact=lambda _role: NOBODY_ASKED, scratch=None
            )
            began = time.process_time()
            select(context, examples, {-1: labels}, sights)
            seconds = time.process_time() - began
            print(f"| {name} | {n:,} | {seconds:.1f} | {most_memory() - before:.0f} |", flush=True)


def most_memory() -> float:
    """MiB that this process had at the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def spec_of(step: dict[str, Any]) -> Any:
    return SimpleNamespace(
        task=Task.model_validate({"classes": [{"name": f"c{number}"} for number in range(CLASSES)]}),
        data=SimpleNamespace(gold_budget=BUDGET),
        evaluation=Evaluation.model_validate({"seeds": 1}),
        strong=Strong.model_validate({"model": {"uri": "hf://none/none"}}),
        weak=SimpleNamespace(labelers=[Labeler.model_validate(LABELER)]),
        selection=Selection.model_validate({"steps": [step]}),
    )


def pool_of(n: int) -> tuple[Sights, WeakLabels, Examples]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, n)
    features = rng.normal(size=(n, DIMENSIONS)).astype(np.float32)
    features += 2 * rng.normal(size=(CLASSES, DIMENSIONS)).astype(np.float32)[truth]
    said = np.where(rng.random(n) < 0.2, rng.integers(0, CLASSES, n), truth)
    parts = np.array(["budget"] * BUDGET + ["pool"] * (n - BUDGET))
    examples = Examples([f"text-{place}" for place in range(n)], [""] * n, parts, np.arange(n) // 2)
    context: Any = None
    sights = Sights(context, examples)
    vars(sights).update(features=features, gold=np.where(parts == "budget", truth, -1))
    labels = WeakLabels(np.eye(CLASSES)[said] * 0.8 + 0.2 / CLASSES, np.zeros(n, dtype=bool))
    return sights, labels, examples


if __name__ == "__main__":
    main()
