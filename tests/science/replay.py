"""Replay, and what else retains, against nothing: what a small model learns of contracts and forgets of encyclopaedia texts.

`python tests/science/replay.py --data ../shared/data` prints two tables (estimated: a quarter of an hour of one core that does nothing else).

Protocol, written before the first run. The model is a Llama of four blocks (width 128, a tokenizer of 2,048 pieces), which the
script itself pretrains for 300 steps on general texts (passages of boolq_dev): large enough to forget, and small enough for some
minutes on a CPU. General texts are divided by chance into those that it was pretrained on (60 %), those that are replayed (30 %)
and those on which its general loss is measured (10 %). The domain is lexglue_ledgar_1k, provisions of contracts, 90 % learnt and
10 % measured on. Blocks have 64 tokens, a step 16 blocks; the domain is learnt for one epoch at a learning rate of .001, however
much is replayed. Each arm begins with the same model; there are two seeds, of the model and of all divisions. Arms: nothing;
replay at .1, .25 and .5; Distillation at weight 1; StartingPoint at weight 1; freezeBlocks 2; BlockExpansion by 2 blocks; replay at .25
with Distillation. Weights were not tried out. What is to be seen: at which loss of the domain is how much of the general loss lost.

Then the law: pilots of 40 steps at .1, .3, .5 and .7, one at .4 that is held out, tolerance .05. What is to be seen: its error at
.4, whether a run of 40 steps at the chosen share keeps to the tolerance, and whether one without replay does.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from w2s_api.methods.retainers import BlockExpansion, Distillation, RetainerSettings, StartingPoint
from w2s_api.methods.tunings import Full
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.stages.adapt.corpus import Corpus
from w2s_trainer.stages.adapt.mixture_law import chosen, fitted
from w2s_trainer.tuning.blocks import NextToken, pack
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.language_model import LanguageModel, load_language_model
from w2s_trainer.tuning.language_objective import Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import Schedule, tune
from w2s_trainer.tuning.order import Batches, Order
from w2s_trainer.tuning.retainers import retainer

SEEDS, BLOCK, BATCH, RATE = 2, 64, 16, 0.001
PRETRAINED, PILOT, TOLERANCE = 300, 40, 0.05
FRACTIONS, HELD_OUT = (0.1, 0.3, 0.5, 0.7), 0.4


@dataclass(frozen=True)
class Arm:
    """How the domain is learnt."""

    name: str
    fraction: float = 0.0
    retain: RetainerSettings | None = None
    frozen: int = 0


ARMS = (
    Arm("nothing"),
    Arm("replay .1", 0.1),
    Arm("replay .25", 0.25),
    Arm("replay .5", 0.5),
    Arm("Distillation", retain=Distillation(weight="1")),
    Arm("StartingPoint", retain=StartingPoint(weight="1")),
    Arm("freezeBlocks 2", frozen=2),
    Arm("BlockExpansion 2", retain=BlockExpansion(blocks=2)),
    Arm("replay .25, Distillation", 0.25, Distillation(weight="1")),
)


def read(path: Path, field: str) -> list[str]:
    with gzip.open(path / "data.jsonl.gz", "rt") as lines:
        return list(dict.fromkeys(json.loads(line)[field] for line in lines))


def made_model(directory: Path, texts: Sequence[str], seed: int) -> None:
    """A random model with a tokenizer of the texts."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        texts, vocab_size=2048, special_tokens=["<pad>", "<end>"], show_progress=False
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer, pad_token="<pad>", eos_token="<end>", model_max_length=BLOCK
    ).save_pretrained(directory)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=BLOCK,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(directory)


def load(directory: Path, frozen: int = 0) -> LanguageModel:
    return load_language_model(directory, tuning=Full(), name="small", frozen_blocks=frozen)


def blocks(model: LanguageModel, texts: Sequence[str]) -> Ragged:
    ids = (model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts)
    return pack(ids, model.frame, BLOCK)


def train(
    model: LanguageModel, learnt: Ragged, order: Batches, seed: int, retain: RetainerSettings | None = None
) -> float:
    """Trains a model; the seconds that it took."""
    began = time.monotonic()
    penalty = retainer(retain).retain(model, retain) if retain else None
    model.make_tunable(seed)
    objective = LanguageObjective(
        learnt, NextToken(), steps=order.steps, seed=seed, checks=Checks(), penalty=penalty
    )
    schedule = Schedule(epochs=1, batch_size=BATCH, learning_rate=RATE, batch_tokens=4096, seed=seed)
    tune(model, objective, schedule, keeper=NoCheckpoints(), order=order)
    return time.monotonic() - began


def loss(model: LanguageModel, held_out: Ragged) -> float:
    unused: Any = None
    return HeldOutBlocks(held_out, NextToken(), objective=unused, checks=Checks()).measure(model, 16_384)


def one_seed(data: Path, directory: Path, seed: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Of each arm the losses of the domain and of general texts, and the seconds; and the law."""
    rng = np.random.default_rng(seed)
    general, domain = (
        [texts[place] for place in rng.permutation(len(texts))]
        for texts in (read(data / "boolq_dev", "text"), read(data / "lexglue_ledgar_1k", "text"))
    )
    first, second = int(0.6 * len(general)), int(0.9 * len(general))
    made_model(directory, general[:first], seed)
    model = load(directory)
    known, replayed, measured = (
        blocks(model, part) for part in (general[:first], general[first:second], general[second:])
    )
    cut = int(0.9 * len(domain))
    learnt, held_out = blocks(model, domain[:cut]), blocks(model, domain[cut:])
    corpus = Corpus(learnt, held_out, replayed, measured, {}, {})
    epochs = -(-PRETRAINED * BATCH // len(known))

    class Beginning(Order):
        """The first steps of an order."""

        @property
        def steps(self) -> int:
            return PRETRAINED

    train(model, known, Beginning(len(known), BATCH, epochs, seed), seed)
    model.model.save_pretrained(directory)
    before = [loss(model, held_out), loss(model, measured)]
    print(
        f"seed {seed}: {len(known):,} blocks before, {len(learnt):,} of the domain, {len(replayed):,} to replay; before:"
        f" {before[0]:.3f} and {before[1]:.3f}",
        flush=True,
    )
    found = {"before": [*before, 0.0]}
    for arm in ARMS:
        model = load(directory, arm.frozen)
        seconds = train(model, corpus.learnt, corpus.order(BATCH, 1, arm.fraction), seed, arm.retain)
        found[arm.name] = [loss(model, held_out), loss(model, measured), seconds]
        print(f"seed {seed}: {arm.name} {found[arm.name]}", file=sys.stderr, flush=True)
    runs: dict[float, list[float]] = {}

    def pilot(fraction: float) -> list[float]:
        if fraction not in runs:
            model = load(directory)
            train(model, corpus.learnt, corpus.pilot(BATCH, PILOT, fraction), seed)
            runs[fraction] = [loss(model, held_out), loss(model, measured)]
        return runs[fraction]

    laws = [fitted(FRACTIONS, [pilot(fraction)[which] for fraction in FRACTIONS]) for which in (0, 1)]
    choice = chosen(laws[1], before[1], TOLERANCE, FRACTIONS[0], FRACTIONS[-1])
    return found, {
        "errors": [law(HELD_OUT) / pilot(HELD_OUT)[which] - 1 for which, law in enumerate(laws)],
        "choice": choice,
        "chosen": pilot(choice.fraction)[1] / before[1] - 1,
        "none": pilot(0.0)[1] / before[1] - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data}: no such directory. This study needs the labelled sets beside the repository."
        )
    results = []
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory() as directory:
            results.append(one_seed(arguments.data, Path(directory), seed))
    print("\n| arm | domain loss | general loss | rise of general loss | seconds |\n|---|---|---|---|---|")
    for name in results[0][0]:
        rows = np.array([found[name] for found, _ in results])
        rises = [found[name][1] / found["before"][1] - 1 for found, _ in results]
        rise = f"{np.mean(rises):+.1%} ({min(rises):+.1%} to {max(rises):+.1%})"
        print(
            f"| {name} | {rows[:, 0].mean():.3f} | {rows[:, 1].mean():.3f} | {rise} | {rows[:, 2].mean():.0f} |"
        )
    print(
        f"\n| seed | law at {HELD_OUT}, domain | general | chosen share | predicted within | rise at it | rise without replay |"
        "\n|---|---|---|---|---|---|---|"
    )
    for seed, (_, law) in enumerate(results):
        errors, choice = law["errors"], law["choice"]
        print(
            f"| {seed} | {errors[0]:+.2%} | {errors[1]:+.2%} | {choice.fraction:.2f} | {choice.within} | {law['chosen']:+.1%} |"
            f" {law['none']:+.1%} |"
        )


if __name__ == "__main__":
    main()
