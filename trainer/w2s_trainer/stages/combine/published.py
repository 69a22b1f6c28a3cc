"""A published combination: beside the students' model, what it takes to add the teacher again."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.spec.job import Spec
from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_class
from w2s_trainer.families.classification.predictor import ClassPredictor
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import load_classifier
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.stages.combine.combination import STRONG, TEACHER
from w2s_trainer.stages.combine.log_odds import Source, from_probabilities, log_softmax
from w2s_trainer.stages.combine.published_texts import CombinedWriter, load_choice
from w2s_trainer.stages.combine.stacking import Weights, relative
from w2s_trainer.stages.combine.teacher import FILE, FOLDER, FORMAT, Teacher, plain_combination
from w2s_trainer.stages.label.methods import Published

MODEL = f"{FOLDER}/model"
"""The model that those heads are on, where it is the job's own and no URI names it."""
HEADS = f"{FOLDER}/heads.safetensors"
"""Where the model is a tuned one: the students that are heads on the model as it came."""
LABELERS = f"{FOLDER}/labelers"
"""What labelers need to answer again, a folder each."""


def write_combination(
    spec: Spec,
    weights: Mapping[str, Any],
    temperatures: Mapping[str, float],
    students: Mapping[str, NDArray[Any]] | None,
    directory: Path,
    adapted: Path | None = None,
) -> None:
    """Writes what `load_combination` reads.

    Args:
        spec: has the teacher, as data.
        weights: of the published seed, an entry of the artifact's weights.json.
        temperatures: of the labelers that were calibrated, by name.
        students: arrays of the heads on the model as it came, where they are not in the published model itself.
        directory: that of the published model.
        adapted: the directory of the model that these heads are on, where the job made it itself.
    """
    combination = {**plain_combination(spec, weights, temperatures), "heads": None}
    (directory / FOLDER).mkdir()
    if students is not None:
        uri = None if adapted else spec.strong.model.uri
        combination["heads"] = {"model": uri, "maxTokens": spec.strong.max_tokens}
        if adapted:
            shutil.copytree(adapted, directory / MODEL)
        save_file(
            {name: np.ascontiguousarray(values) for name, values in students.items()}, directory / HEADS
        )
    (directory / FILE).write_text(json.dumps(combination, indent=1, ensure_ascii=False), encoding="utf-8")


def is_combination(directory: Path) -> bool:
    """Whether a model's directory says how a teacher is added."""
    return (directory / FILE).is_file()


def load_combination(
    directory: Path, model: Path, name: str, models: Callable[[str], Path]
) -> "CombinedPredictor | CombinedWriter":
    """A published combination.

    Args:
        directory: of the published model.
        model: the same, or where its adapter was merged into the model that it changes.
        name: what a person calls it.
        models: finds the directory of a model by its URI.

    Raises:
        BadSpec: this version cannot read it, or a model that it names is not there.
    """
    try:
        given = json.loads((directory / FILE).read_text(encoding="utf-8"))
        if given["format"] != FORMAT:
            raise ValueError(f"format {given['format']}")
        task = Task.model_validate(given["task"])
        family = family_class(task.type)(task)
        published = Published(family, models, directory / LABELERS)
        teacher = Teacher.of(given["teacher"], published) if given["teacher"] else None
        if family.is_joined_by_choice:
            return load_choice(directory, model, name, given["weights"], teacher)
        heads = _Heads.of(given["heads"], directory, models) if given["heads"] else None
        return CombinedPredictor(
            ClassPredictor(load_classifier(model, name)), Weights.of_json(given["weights"]), teacher, heads
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSpec(
            "BadCombination",
            f"{name}: {FILE} is not what this version writes ({error}).",
            "Use the version that published the model, or remove the file to have its students answer alone.",
        ) from error


@dataclass(frozen=True)
class CombinedPredictor:
    """A published model whose answers the teacher is added to."""

    students: ClassPredictor
    weights: Weights
    teacher: Teacher | None
    heads: "_Heads | None"

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """{label, probabilities} of each text, and what was read."""
        probabilities, tokens = self.students.classifier.probabilities(texts, batch_tokens)
        answered = from_probabilities(probabilities, floor=float(np.finfo(np.float64).tiny))
        log_odds = answered.log_odds
        if self.heads:  # then the model is one source of several
            log_odds = self._added(STRONG, answered) + self.heads.logits(texts, batch_tokens)
        if self.teacher:
            said = self.teacher.says(texts)
            log_odds = log_odds + self._added(TEACHER, from_probabilities(said.targets, said.abstain))
        return self.students.in_words(np.exp(log_softmax(log_odds))), tokens

    def _added(self, name: str, source: Source) -> NDArray[np.float64]:
        return self.weights.scale[name] * relative(source, self.weights.mean_answer[name])


@dataclass(frozen=True)
class _Heads:
    """Students that are heads on the model as it came, with prior and bias."""

    head: Head
    directory: Path
    name: str
    max_tokens: int

    @classmethod
    def of(cls, plain: Mapping[str, Any], directory: Path, models: Callable[[str], Path]) -> "_Heads":
        uri = plain["model"]
        model = models(uri) if uri else directory / MODEL
        return cls(Head(**load_file(directory / HEADS)), model, uri or str(model), plain["maxTokens"])

    def logits(self, texts: Sequence[str], batch_tokens: int) -> NDArray[np.float64]:
        features, _ = load_encoder(self.directory, self.name).features(texts, self.max_tokens, batch_tokens)
        return self.head.logits(features)
