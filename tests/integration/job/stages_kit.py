"""Stages that run one after another in one store, on texts that nobody prepared."""

import io
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.job import StageJob
from w2s_trainer.stages.tables import write_table
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects


class Silent:
    """A progress that nobody reads."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def __call__(self, *_words: object, **_figures: float) -> None:
        pass

    def note(self, message: str) -> None:
        self.notes.append(message)


class Kit:
    """Runs stages of jobs one after another in one store, each once."""

    def __init__(self, objects: Objects, uri: str, directory, texts: dict[str, str]) -> None:
        self.objects, self.uri, self.directory = objects, uri, directory
        self.store = ArtifactStore(objects, uri)
        self.worked: list[str] = []
        self.heard: Any = Silent()
        """The progress of every stage."""
        with self.store.begin("prepare", "made-by-hand") as attempt:
            columns = {
                "id": [*texts, "test"],
                "text": [*texts.values(), next(iter(texts.values()))],
                "part": ["pool"] * len(texts) + ["test"],
                "family": np.arange(len(texts) + 1),
            }
            write_table(columns, attempt.directory / "examples.parquet")
            self.prepared = attempt.commit({}, {})

    def context(self, stage: Stage, spec: Spec, done: dict[str, Artifact], directory) -> StageContext:
        """What a stage is given."""
        return StageContext(
            StageJob("tests", "texts", spec, stage, stage.key),
            self.objects,
            self.store,
            self.heard,
            directory,
            self.directory / "scratch",
            self.directory / "cache",
            needs={name: done[name] for name in stage.needs},
            key=stage.key,
        )

    def until(self, last: str, spec: Spec) -> dict[str, Artifact]:
        """Artifacts of the stages up to the last, by name."""
        done = {"prepare": self.prepared}
        self.worked = []
        for stage in pipeline(spec)[1:]:
            key, kind = stage.key, stage.kind
            found = self.store.find(kind, key)
            if found is None:
                self.worked.append(stage.name)
                with self.store.begin(kind, key) as attempt:
                    context = self.context(stage, spec, done, attempt.directory)
                    result = import_module(f"w2s_trainer.stages.{kind}").run(context)
                    found = attempt.commit(result.summary, {})
            done[stage.name] = found
            if stage.name == last:
                break
        return done


def table(artifact: Artifact, name: str) -> dict[str, list[Any]]:
    return pq.read_table(io.BytesIO(artifact.read(name))).to_pydict()
