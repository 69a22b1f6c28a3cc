"""A published choice among texts: beside the student's model the student on gold labels, the teacher, and the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_api.spec.job import Spec
from w2s_trainer.families.generation.choice import Weights, Written, choose
from w2s_trainer.families.generation.predictor import Writer, in_words, load_writer
from w2s_trainer.families.predicting import MARK
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.stages.combine.teacher import FILE, FOLDER, Teacher, plain_combination
from w2s_trainer.stages.combine.texts import GOLD, STRONG, TEACHER

STUDENT_ON_GOLD = f"{FOLDER}/gold"
"""In a model's directory: the student on gold labels, a model of its own."""


def write_choice(
    spec: Spec, weights: Mapping[str, Any], temperatures: Mapping[str, float], directory: Path
) -> None:
    """Writes what `load_choice` reads, but for the student on gold labels.

    Args:
        spec: has the teacher, as data.
        weights: of the published seed, an entry of the artifact's weights.json.
        temperatures: of the labelers that were calibrated, by name.
        directory: that of the published model.
    """
    (directory / FOLDER).mkdir()
    combination = plain_combination(spec, weights, temperatures)
    (directory / FILE).write_text(json.dumps(combination, indent=1, ensure_ascii=False), encoding="utf-8")


def load_choice(
    directory: Path, model: Path, name: str, weights: Mapping[str, Any], teacher: Teacher | None
) -> "CombinedWriter":
    """A published choice.

    Args:
        directory: of the published model.
        model: the same, or where its adapter was merged into the model that it changes.
        name: what a person calls it.
        weights: as they were published.
        teacher: if it could be published.
    """
    gold = directory / STUDENT_ON_GOLD
    students = {STRONG: load_writer(model, directory / MARK, name)}
    if gold.is_dir():
        students[GOLD] = load_writer(gold, gold / MARK, f"{name}/{STUDENT_ON_GOLD}")
    return CombinedWriter(students, Weights.of_json(weights), teacher)


@dataclass(frozen=True)
class CombinedWriter:
    """Of what teacher and students write about a text, the one that is most probably right."""

    students: Mapping[str, Writer]
    weights: Weights
    teacher: Teacher | None

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """{text, probability} of each text, the probability that it is right, and what was read."""
        sources: dict[str, Written] = {}
        if self.teacher:
            said = self.teacher.says(texts)
            said.targets[said.abstain] = ""
            sources[TEACHER] = Written(said.targets)
        for name, student in self.students.items():
            written = student.write(texts, batch_tokens)
            sources[name] = Written(written.texts, written.probability)
        taken = choose(sources, self.weights.of(sources))
        return in_words(taken.texts, taken.probability), self.students[STRONG].read(texts)
