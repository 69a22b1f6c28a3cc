"""Runs `prepare` as a stage process does."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2s_api.spec.job import Spec
from w2s_trainer.contract.progress import Progress
from w2s_trainer.stages import prepare

sys.path.insert(0, str(Path(__file__).parent))

from prepare_kit import MemoryObjects, Prepared


@pytest.fixture
def run_prepare(tmp_path: Path) -> Callable[..., Prepared]:
    """Runs `prepare` as a stage process does, verification included."""

    def run(spec: Spec, objects: MemoryObjects | None = None, verified: bool = True) -> Prepared:
        output = tmp_path / f"output-{len(list(tmp_path.iterdir()))}"
        output.mkdir()
        stream = io.StringIO()
        context: Any = SimpleNamespace(
            spec=spec,
            objects=objects or MemoryObjects(),
            progress=Progress("prepare", stream=stream),
            output=output,
            scratch=tmp_path / "scratch",
        )
        result = prepare.run(context)
        if verified:
            prepare.verify(result.summary, spec)
        return Prepared(result.summary, result.figures, output, stream.getvalue())

    return run
