"""`make perf-memory`: peak memory and seconds of each stage of a job of many texts; docs/performance.md.

    python tests/perf/memory.py [--rows 1000000] [--labelers Functions Classifier Prompted] [--read] [--digests]

Texts are generated; models are tiny ones with random weights, so that what is measured is what a stage needs beside
its model. `train` is given random features of 32 dimensions unless it is to read the texts itself. Each stage is a process of its own, as a pod is, on an S3 server on loopback. The exit code is 1 if a stage
takes more than the goal.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_trainer.contract.job import StageJob
from w2s_trainer.contract.last_words import read_last_words
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import StorageSettings

ROOT = Path(__file__).parents[2]
GOAL = 1.5
"""GiB that a stage may take without its model."""
GOLD = 4_000
WORDS = [f"w{number}" for number in range(50)]
"""What the tiny models' tokenizer knows (`tiny_kit`); w0 to w4 speak for one class, w5 to w9 for the other."""
RARE = 200_000
"""Other words, so that texts differ."""
BYTES = 300
CLASSES = ("w46", "w47")


def texts(count: int, seed: int) -> Iterator[tuple[str, int]]:
    """Texts of 300 bytes with their classes; 2 % are a text before them with one word changed, 1 % a copy of it."""
    chance = random.Random(seed)
    known = WORDS[10:]
    words: list[str] = []
    label = 0
    for _ in range(count):
        what = chance.random()
        if words and what < 0.02:
            words = [*words]
            words[chance.randrange(2, len(words))] = f"changed{chance.randrange(RARE)}"
        elif not words or what >= 0.03:
            label = chance.randrange(2)
            said = label if chance.random() < 0.8 else 1 - label
            words = [chance.choice(known), WORDS[5 * said + chance.randrange(5)] if what < 0.7 else "w49"]
            length = 7
            while length < BYTES:
                one = chance.choice(known) if chance.random() < 0.6 else f"x{chance.randrange(RARE)}"
                words.append(one)
                length += len(one) + 1
        yield " ".join(words)[:BYTES], label


def write_rows(path: Path, count: int, seed: int, *, labelled: bool) -> None:
    """JSON lines with a text, an id, a group for one row in ten, and perhaps a label."""
    with path.open("w") as file:
        for number, (text, label) in enumerate(texts(count, seed)):
            row: dict[str, Any] = {"id": f"{path.stem}-{number:08d}", "text": text}
            if number % 10 == 0:
                row["origin"] = f"{path.stem}-{number // 50}"
            if labelled:
                row["label"] = CLASSES[label]
            file.write(json.dumps(row) + "\n")


def make_models(directory: Path) -> None:
    """A tiny encoder, a classifier and a causal model, by a process that takes torch's memory with it."""
    code = (
        "import sys; from transformers.utils import logging; logging.disable_progress_bar(); from pathlib import Path; from tiny_kit import save_tiny, save_tokenizer;"
        "from transformers import BertConfig, BertForSequenceClassification; root = Path(sys.argv[1]);"
        "save_tiny('bert', root / 'bert'); save_tiny('llama', root / 'llama');"
        "names = dict(enumerate(('w46', 'w47')));"
        "config = BertConfig(vocab_size=54, hidden_size=32, intermediate_size=64, num_hidden_layers=2,"
        " num_attention_heads=2, max_position_embeddings=64, pad_token_id=0, initializer_range=0.3,"
        " id2label=names, label2id={name: place for place, name in names.items()});"
        "import torch; torch.manual_seed(0);"
        "BertForSequenceClassification(config).save_pretrained(root / 'classifier');"
        "save_tokenizer(root / 'classifier')"
    )
    path = os.pathsep.join([str(ROOT / "tests/unit/tuning"), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", code, str(directory)], env={**os.environ, "PYTHONPATH": path}, check=True
    )


LABELERS: dict[str, dict[str, Any]] = {
    "Functions": {
        "name": "rules",
        "type": "Functions",
        "functions": {
            "rules": [
                {"className": name, "keywords": WORDS[5 * place : 5 * place + 5]}
                for place, name in enumerate(CLASSES)
            ]
        },
    },
    "Classifier": {
        "name": "classifier",
        "type": "Classifier",
        "classifier": {
            "model": {"uri": "file://{models}/classifier"},
            "maxTokens": 64,
            "trainedOn": {"type": "Unknown"},
        },
    },
    "Prompted": {
        "name": "prompted",
        "type": "Prompted",
        "prompted": {"model": {"uri": "file://{models}/llama"}, "maxTokens": 24, "orders": 1},
    },
}


def spec_of(directory: Path, uri: str, endpoint: str, labelers: list[str], *, read: bool) -> Spec:
    """The job."""
    given = json.dumps([LABELERS[name] for name in labelers]).replace("{models}", str(directory / "models"))
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": name} for name in CLASSES], "instruction": "Which one?"},
            "data": {
                "gold": {"uri": f"file://{directory}/gold.jsonl"},
                "unlabeled": {"uri": f"file://{directory}/pool.jsonl"},
                "fields": {"id": "id", "group": "origin"},
                "goldBudget": 500,
            },
            "storage": {"uri": uri, "endpoint": endpoint},
            "weak": {"labelers": json.loads(given)},
            "selection": {"steps": [{"type": "Confidence", "confidence": {"keepFractionPerClass": "0.9"}}]},
            "strong": {"model": {"uri": f"file://{directory}/models/bert"}, "maxTokens": 64},
            "evaluation": {
                "seeds": 3,
                **({} if read else {"controls": ["Unfiltered", "GoldOnly", "Cascade"]}),
            },
            "promotion": {"mustBeat": []},
        }
    )


@dataclass(frozen=True)
class Measured:
    """What a stage took."""

    gib: float
    seconds: float
    key: str


def put_features(spec: Spec, key: str, credentials: Path) -> None:
    """Puts random features of the texts of a `prepare` artifact where `train` looks for them."""
    import numpy as np
    from safetensors.numpy import save_file

    from w2s_trainer.models.uri import model_digest
    from w2s_trainer.stages.features import STAGE, features_key
    from w2s_trainer.stages.tables import read_examples

    objects = Objects(StorageSettings(spec.storage.uri, spec.storage.endpoint, credentials_dir=credentials))
    store = ArtifactStore(objects, spec.storage.uri)
    prepared = store.find("prepare", key)
    assert prepared is not None
    model = spec.strong
    with TemporaryDirectory() as directory:
        texts = read_examples(prepared, Path(directory)).texts
        key = features_key(texts, model_digest(model.model.uri, objects), model.max_tokens)
    with store.begin(STAGE, key) as attempt:
        count = sum(prepared.summary["rows"].values())
        matrix = np.random.default_rng(0).standard_normal((count, 32), dtype=np.float32)
        save_file({"features": matrix}, attempt.directory / "features.safetensors")
        attempt.commit({"truncated": 0, "unreadable": 0, "seconds": 0.0}, {})


def run_stage(stage: Stage, spec: Spec, keys: dict[str, str], credentials: Path, directory: Path) -> Measured:
    """Runs a stage in a process of its own; its artifact's key is in its last words."""
    job = StageJob("perf", "memory", spec, stage, stage.key, {need: keys[need] for need in stage.needs})
    file, words = directory / f"{stage.name}.json", directory / f"{stage.name}.words"
    file.write_text(json.dumps(job.to_json()))
    command = [sys.executable, "-m", "w2s_cli.main", "stage", stage.name, "--job", str(file)]
    command += ["--last-words", str(words), "--scratch", str(directory), "--cache", str(directory / "cache")]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--credentials-dir", str(credentials)], stdout=(directory / "stages.log").open("a")
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    said = read_last_words(words)
    if process.returncode or said is None or said.artifact is None:
        raise SystemExit(f"{stage.name} ended with {process.returncode}: {said}")
    return Measured(used.ru_maxrss / 2**20, seconds, said.artifact)


def main() -> int:
    """Prints a row for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labelers", nargs="+", choices=LABELERS, default=["Functions"])
    parser.add_argument("--read", action="store_true", help="`train` reads the texts by its tiny model")
    parser.add_argument("--digests", action="store_true", help="also print the SHA-256 of each file")
    arguments = parser.parse_args()
    worst = 0.0
    with TemporaryDirectory(prefix="w2s-memory-") as name, EmbeddedStore(Path(name) / "s3") as server:
        directory = Path(name)
        make_models(directory / "models")
        write_rows(directory / "gold.jsonl", GOLD, 1, labelled=True)
        write_rows(directory / "pool.jsonl", arguments.rows, 2, labelled=False)
        uri = f"{server.create_bucket('memory')}/w2s"
        spec = spec_of(directory, uri, server.endpoint, arguments.labelers, read=arguments.read)
        settings = server.settings(uri)
        assert settings.credentials_dir is not None
        store = ArtifactStore(Objects(settings), uri)
        keys: dict[str, str] = {}
        print(f"{arguments.rows:,} rows of {BYTES} bytes, {GOLD:,} of gold")
        print("| stage | peak, GiB | seconds |\n|---|---|---|")
        for stage in pipeline(spec):
            took = run_stage(stage, spec, keys, settings.credentials_dir, directory)
            keys[stage.name] = took.key
            if stage.kind == "prepare" and not arguments.read:
                # Elsewhere: a stage's peak counts from that of the process that starts it.
                given = (spec, took.key, settings.credentials_dir)
                filling = get_context("spawn").Process(target=put_features, args=given)
                filling.start()
                filling.join()
                assert filling.exitcode == 0
            worst = max(worst, took.gib)
            print(f"| {stage.name} | {took.gib:.2f} | {took.seconds:.0f} |", flush=True)
            artifact = store.find(stage.kind, took.key) if arguments.digests else None
            for file, info in sorted(artifact.files.items()) if artifact else ():
                print(f"  {info.sha256[:16]} {info.size:>12,} {file}", flush=True)
    print(f"The most is {worst:.2f} GiB; the goal is {GOAL}.")
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
