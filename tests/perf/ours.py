"""Our side of the comparison: the functions that the stages call, as they are."""

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2s_api.methods.tunings import LoRA
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.tuning.class_objective import ClassObjective
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.losses.cross_entropy import WeakLabels
from w2s_trainer.tuning.precision import Precision
from w2s_trainer.tuning.schedule import Shape
from w2s_trainer.tuning.student import Student, load_student
from w2s_trainer.tuning.training_set import TrainingSet

CLASSES = ["free", "restricted"]
DATA = Path(__file__).parents[2] / "examples" / "data" / "licences.py"


@dataclass(frozen=True)
class Texts:
    """The demo's pool of licence texts."""

    texts: list[str]
    labels: np.ndarray
    """float64[n, 2]."""

    def first(self, count: int) -> "Texts":
        return Texts(self.texts[:count], self.labels[:count])


def demo_texts(directory: Path) -> Texts:
    """What examples/demo.py builds."""
    build = [sys.executable, str(DATA), "--task", "restricted", "--out", str(directory)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return Texts(*read(directory))


def read(directory: Path) -> tuple[list[str], np.ndarray]:
    """Texts and labels float64[n, 2] of the pool in a directory."""
    with gzip.open(directory / "unlabeled.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    labels = np.array([[row["label"] == name for name in CLASSES] for row in rows], dtype=np.float64)
    return [row["text"] for row in rows], labels


def student(directory: Path, precision: Precision = "float32") -> Student:
    """A student with LoRA by its defaults, whose adapters no longer are zero and whose head decides something."""
    import torch

    made = load_student(directory, CLASSES, tuning=LoRA(), precision=precision)
    made.make_tunable(seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, one in made.parameters().items():
            if "lora_B" in name or "classifier" in name or "score" in name:
                one.normal_(std=0.02)
    return made


def notices(count: int) -> list[str]:
    """Licence notices of 40 to 600 characters, drawn by a hash of their names."""
    sys.path.insert(0, str(DATA.parent))
    from licences import front_matter, package_data
    from parts import lot

    found: list[str] = []
    for path in sorted((package_data() / "rules").glob("*.RULE"), key=lambda path: lot("notice", path.stem)):
        head, text = front_matter(path)
        text = " ".join(text.split())
        if "is_license_notice: yes" in head and 40 <= len(text) <= 600:
            found.append(text)
        if len(found) == count:
            break
    return found


class TrainingTexts(NamedTuple):
    """Tokens and labels of some texts."""

    tokens: Sequence[Sequence[int]]
    data: TrainingSet


def training_texts(made: Student, texts: Texts, max_tokens: int) -> TrainingTexts:
    tokens = tokenize(made.tokenizer, texts.texts, max_tokens).ids
    rows = np.arange(len(tokens))
    return TrainingTexts(tokens, TrainingSet(rows, texts.labels, np.ones(len(tokens)), rows))


def train(
    made: Student, texts: TrainingTexts, rate: float, *, shape: Shape = "Linear", keeper: Any = None
) -> list[float]:
    """One epoch by the manifest's defaults; the mean loss of each step."""
    schedule = Schedule(1, 32, rate, shape, warmup_fraction=0.1 if shape == "Linear" else 0.0)
    objective = ClassObjective(*texts, WeakLabels(), schedule.batch_size)
    return tune(made, objective, schedule, keeper=keeper or NoCheckpoints()).losses
