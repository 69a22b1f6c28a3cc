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


def examples_of(
    prompts: list[list[int]], completions: list[list[int]], shared: list[int] | None = None
) -> Any:
    """Prompts with their completions; without `shared`, nothing is read once for several of them."""
    from w2s_trainer.models.causal import Prompts
    from w2s_trainer.models.likelihood import Answered
    from w2s_trainer.models.ragged import Ragged

    rests = Ragged([*prompt, *answer] for prompt, answer in zip(prompts, completions, strict=True))
    counts = np.array([len(answer) for answer in completions])
    return Answered(Prompts(np.array(shared or [], dtype=np.int32), rests), counts)


def some_completions(n: int, seed: int = 0, *, share: bool = True) -> Any:
    """Prompts of 4 to 15 words that all begin with the same three, completions of 1 to 5."""
    rng = np.random.default_rng([seed, 2])

    def words(most: int) -> list[int]:
        return (len(SPECIAL) + rng.integers(len(WORDS), size=rng.integers(1, most + 1))).tolist()

    begin = [5, 6, 7]
    prompts = [[*([] if share else begin), *words(12)] for _ in range(n)]
    return examples_of(prompts, [words(5) for _ in range(n)], begin if share else None)


def some_weights(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 3]).uniform(0.2, 2.0, n)
