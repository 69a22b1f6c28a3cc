"""Examples for tiny students that write."""

from pathlib import Path
from typing import Any

import numpy as np
from tiny_kit import LORA, SPECIAL, WORDS

from w2s_api.methods.tunings import TuningSettings


def load_text(directory: Path, tuning: TuningSettings = LORA, *, seed: int = 0, **settings: Any) -> Any:
    """A tunable student whose adapters change something, so that each of them has a gradient."""
    import torch

    from w2s_trainer.tuning.text_student import load_text_student

    student = load_text_student(directory, tuning=tuning, **settings)
    student.make_tunable(seed)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, one in student.parameters().items():
            if "lora_B" in name:
                one.normal_(std=0.05)
    return student


def some_completions(n: int, seed: int = 0, longest: int = 12) -> Any:
    """Prompts of 1 to `longest` words that all begin alike, completions of 1 to 5."""
    from w2s_trainer.tuning.completions import Completions

    rng = np.random.default_rng([seed, 2])

    def words(most: int) -> list[int]:
        return (len(SPECIAL) + rng.integers(len(WORDS), size=rng.integers(1, most + 1))).tolist()

    return Completions([[5, 6, 7, *words(longest)] for _ in range(n)], [words(5) for _ in range(n)])


def some_weights(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 3]).uniform(0.2, 2.0, n)
