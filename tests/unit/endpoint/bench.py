"""A `label` stage of type Endpoint on a store in memory, run in this process."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from label_kit import Told
from memory_objects import MemoryObjects

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.job import StageJob
from w2s_trainer.stages import label
from w2s_trainer.stages.tables import matrix, write_table
from w2s_trainer.store.artifacts import Artifact, ArtifactStore

TEXTS = [f"{animal} number {number}" for number in range(10) for animal in ("a cat", "a dog")]
PARTS = np.array(["budget"] * 6 + ["pool"] * 10 + ["test"] * 4)
GOLD = np.array([0, 1] * 10)


@dataclass
class Bench:
    """A `prepare` artifact made by hand, and what a labeler makes of it."""

    directory: Path
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    told: Told = field(default_factory=Told)
    texts: list[str] = field(default_factory=lambda: list(TEXTS))
    gold: Any = field(default_factory=lambda: GOLD)
    parts_of_spec: dict[str, Any] = field(default_factory=dict)
    """In place of what the spec has."""

    def __post_init__(self) -> None:
        ids = [f"id-{number}" for number in range(len(self.texts))]
        with ArtifactStore(self.objects, "s3://bkt").begin("prepare", "made-by-hand") as attempt:
            columns = {"id": ids, "text": self.texts, "part": PARTS, "family": np.arange(len(ids))}
            write_table(columns, attempt.directory / "examples.parquet")
            budget = np.flatnonzero(PARTS == "budget")
            write_table(
                {"id": [ids[row] for row in budget], "label": self.gold[budget]},
                attempt.directory / "gold-budget" / "labels.parquet",
            )
            self.prepared = attempt.commit({}, {})

    def context(
        self,
        url: str,
        seeds: int = 2,
        shard: tuple[int, int] = (0, 1),
        calibration: str = "None",
        **settings: Any,
    ) -> StageContext:
        labeler = {"name": "llm", "type": "Endpoint", "calibration": calibration, "shards": shard[1]}
        spec = Spec.model_validate(
            {
                "task": {"classes": [{"name": "cat"}, {"name": "dog"}], "instruction": "Which animal?"},
                "data": {"unlabeled": {"uri": "s3://x/pool.jsonl"}, "gold": {"uri": "s3://x/gold.jsonl"}},
                "storage": {"uri": "s3://bkt"},
                "weak": {"labelers": [{**labeler, "endpoint": {"url": url, "model": "m", **settings}}]},
                "strong": {"model": {"uri": "py://some-encoder"}},
                "evaluation": {"seeds": seeds},
                **self.parts_of_spec,
            }
        )
        (stage,) = (one for one in pipeline(spec) if one.name == "label-llm")
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        self.told = Told()
        return StageContext(
            job=StageJob("tests", "bench", spec, stage, stage.key),
            objects=self.objects,
            store=ArtifactStore(self.objects, "s3://bkt"),
            progress=self.told,  # type: ignore[arg-type]
            output=self.directory,
            scratch=scratch,
            cache=self.directory,
            needs={"prepare": self.prepared},
            shard=shard,
            key=stage.key,
        )

    def label(self, context: StageContext) -> Artifact:
        """As the stage's process does it."""
        part = context.shard if context.shard[1] > 1 else None
        with context.store.begin("label", context.key, shard=part) as attempt:
            result = label.run(replace(context, output=attempt.directory))
            artifact = attempt.commit(result.summary, {})
        label.publish(context.job, self.objects, context.store, artifact)
        return artifact

    def table(self, artifact: Artifact, column: str = "probabilities") -> dict[int, np.ndarray]:
        """A column by seed, in the order of the texts."""
        import io

        found: dict[int, dict[int, Any]] = {}
        for name in sorted(name for name in artifact.files if name.startswith("labels")):
            table = pq.read_table(io.BytesIO(artifact.read(name)))
            values = (
                matrix(table[column]) if column != "abstain" else table[column].to_numpy(zero_copy_only=False)
            )
            for row, seed, value in zip(
                table["id"].to_pylist(), table["seed"].to_pylist(), values, strict=True
            ):
                found.setdefault(seed, {})[int(row.removeprefix("id-"))] = value
        return {seed: np.array([by_row[row] for row in sorted(by_row)]) for seed, by_row in found.items()}
