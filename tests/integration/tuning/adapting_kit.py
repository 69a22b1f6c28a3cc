"""A step of the adaptation on a real S3 server: one artifact, and machines that work on it one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_kit import some_texts
from watched_kit import Watched

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_api.spec.data import Data
from w2s_trainer.stages.adapt import pretrain
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience

N = 90
WEIGHTS = "model.safetensors"


@dataclass
class Place:
    """One artifact, and machines that work on it one after the other."""

    objects: Objects
    home: str
    root: Path
    model: Path
    examples: Path
    machines: int = 0

    def context(self, stop_in: int | None = None) -> Any:
        self.machines += 1
        scratch = self.root / str(self.machines)
        (scratch / "output").mkdir(parents=True)
        data = {
            "unlabeled": {"uri": f"file://{self.root}/pool.jsonl"},
            "gold": {"uri": f"file://{self.root}/gold.jsonl"},
        }
        prepared = SimpleNamespace(stage="prepare", key="k", fetch=lambda _name, _directory: self.examples)
        return SimpleNamespace(
            objects=self.objects,
            store=SimpleNamespace(home_uri=lambda _kind, _key: self.home),
            job=SimpleNamespace(stage=SimpleNamespace(kind="adapt")),
            spec=SimpleNamespace(strong=SimpleNamespace(batch_tokens=256), data=Data.model_validate(data)),
            key="key",
            artifact=lambda _role: prepared,
            model=SimpleNamespace(directory=self.model, name=f"file://{self.model}"),
            progress=Watched(stop_in),
            scratch=scratch,
            output=scratch / "output",
            cache=scratch / "cache",
            headway=lambda _step: None,
        )

    def pretrain(self, settings: Pretrain, stop_in: int | None = None) -> tuple[dict[str, Any], Path]:
        context = self.context(stop_in)
        return pretrain.adapt(context, settings), context.output


def check(place: Place, method: Any, settings: Any) -> None:
    spec: Any = place.context().spec
    method.check(Before(f"file://{place.model}", spec, place.objects, place.root), settings)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    """The pool, and a test whose texts nobody may learn from."""
    texts = list(dict.fromkeys(some_texts(N + 10, 5)))[:N]
    parts = ["test" if row < 10 else "pool" for row in range(len(texts))]
    path = tmp_path_factory.mktemp("examples") / "examples.parquet"
    table = {
        "id": [str(row) for row in range(len(texts))],
        "text": texts,
        "part": parts,
        "family": np.arange(len(texts)) // 2,
    }
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory, tiny) -> dict[str, Path]:
    """Tiny models; the encoder's tokenizer has a token for what is hidden."""
    from transformers import AutoTokenizer

    root = tmp_path_factory.mktemp("models")
    bert = Path(copytree(tiny["bert"], root / "bert"))
    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.mask_token, tokenizer.cls_token, tokenizer.sep_token = "[UNK]", "[CLS]", "[SEP]"
    tokenizer.save_pretrained(bert)
    return {"bert": bert, "llama": tiny["llama"]}


@pytest.fixture
def new_place(embedded_s3, models, examples, tmp_path) -> Callable[[str], Place]:
    objects = Objects(embedded_s3.settings("s3://any"), Patience(0, 20))

    def new(model: str) -> Place:
        bucket = embedded_s3.new_bucket()
        return Place(
            objects,
            f"{bucket}/w2s/artifacts/adapt/k/",
            tmp_path / bucket.split("/")[2],
            models[model],
            examples,
        )

    return new
