"""What students say of texts, as the table that `evaluate` reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from w2s_api.arms import ARMS
from w2s_api.spec.job import Spec
from w2s_trainer.families import family_of
from w2s_trainer.stages.pool_sample import student_sample
from w2s_trainer.stages.tables import Examples, column_of, write_table

PROBABILITY = "probability"
"""The column of how probable students hold their own answers, where these do not tell it."""


CUT_OFF = "cutOff"
"""The column of whether an answer was longer than it may be, of students that write."""


@dataclass
class Predictions:
    """Collects the answers of students to the texts that are asked about."""

    examples: Examples
    column: str
    """Of the answers (`TaskFamily.label_column`)."""
    rows: NDArray[np.int64]
    """The texts that students are asked about, int64[n], ascending."""
    _parts: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        arm: str,
        seed: int,
        size: int,
        answers: NDArray[Any],
        probability: NDArray[np.float64] | None = None,
        cut_off: NDArray[np.bool_] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Takes in one student's answers.

        Args:
            arm: which.
            seed: which.
            size: texts it was trained on.
            answers: [n, …], in the order of the texts that it was asked about.
            probability: float64[n], of each answer, where answers do not tell it; of all students, or of none.
            cut_off: bool[n], where answers may be too long; likewise.
            rows: the texts that it was asked about, int64[n]; by default those that students are asked about.
        """
        rows = self.rows if rows is None else rows
        n = len(rows)
        self._parts.append(
            {
                "id": self.examples.ids.take(rows).arrow(),
                "arm": np.full(n, arm, dtype=object),
                "seed": np.full(n, seed, dtype=np.int32),
                "size": np.full(n, size, dtype=np.int32),
                self.column: answers,
                **({} if probability is None else {PROBABILITY: probability}),
                **({} if cut_off is None else {CUT_OFF: cut_off}),
            }
        )

    def write(self, path: Path) -> None:
        """Writes all answers."""
        columns: dict[str, Any] = {
            name: np.concatenate([part[name] for part in self._parts]) for name in ("arm", "seed", "size")
        }
        columns["id"] = pa.concat_arrays([part["id"] for part in self._parts])
        for name in (self.column, PROBABILITY, CUT_OFF):
            if name in self._parts[0]:
                columns[name] = column_of(np.concatenate([part[name] for part in self._parts]))
        write_table(columns, path)


def asked_by(prompt: Mapping[str, Any] | None) -> dict[str, Any]:
    """The part of a summary that says how a model was asked; nothing of one that is not asked in words."""
    return {} if prompt is None else {"prompt": dict(prompt)}


def asked_rows(spec: Spec, arm: str, examples: Examples) -> NDArray[np.int64]:
    """The texts that a tuned student of an arm is asked about, int64[n], ascending."""
    is_added_up = (
        arm == "strong" and ARMS["combined"].absent(spec) is None and not family_of(spec).is_joined_by_choice
    )
    return np.union1d(
        examples.rows("budget", "test", "oracle"),
        student_sample(examples) if is_added_up else examples.rows(),
    )
