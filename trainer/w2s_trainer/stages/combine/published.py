"""A published combination: beside the students' model, what it takes to add the teacher again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.spec.job import Spec
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Aggregation, Labeler
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_class
from w2s_trainer.families.classification.predictor import ClassPredictor
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import load_classifier
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.stages.aggregate.methods import Sources, aggregation_of
from w2s_trainer.stages.combine.combination import STRONG, TEACHER
from w2s_trainer.stages.combine.log_odds import Source, from_probabilities, log_softmax
from w2s_trainer.stages.combine.stacking import Weights, relative
from w2s_trainer.stages.label.calibration import at_temperature
from w2s_trainer.stages.label.methods import Published, answer, can_be_published
from w2s_trainer.stages.tables import WeakLabels

FOLDER = "w2s_combination"
"""In a model's directory, apart from its own files: how the teacher is added to what the model answers."""
FILE = f"{FOLDER}/combination.json"
HEADS = f"{FOLDER}/heads.safetensors"
"""Where the model is a tuned one: the students that are heads on the model as it came."""
LABELERS = f"{FOLDER}/labelers"
"""What labelers need to answer again, a folder each."""
_FORMAT = 1


def publishes_teacher(spec: Spec) -> bool:
    """Whether all that the teacher needs can be published with a model."""
    labelers = (can_be_published(labeler.settings) for labeler in spec.weak.labelers)
    return all(labelers) and spec.aggregation.settings.by_text


def write_combination(
    spec: Spec,
    weights: Mapping[str, Any],
    temperatures: Mapping[str, float],
    students: Mapping[str, NDArray[Any]] | None,
    directory: Path,
) -> None:
    """Writes what `load_combination` reads.

    Args:
        spec: has the teacher, as data.
        weights: of the published seed, an entry of the artifact's weights.json.
        temperatures: of the labelers that were calibrated, by name.
        students: arrays of the heads on the model as it came, where they are not in the published model itself.
        directory: that of the published model.
    """
    plain: dict[str, Any] = {
        "format": _FORMAT,
        "task": _plain(spec.task),
        "weights": weights,
        "teacher": {
            "labelers": [_plain(labeler) for labeler in spec.weak.labelers],
            "temperatures": dict(temperatures),
            "aggregation": _plain(spec.aggregation),
        }
        if publishes_teacher(spec)
        else None,
        "heads": None,
    }
    (directory / FOLDER).mkdir()
    if students is not None:
        plain["heads"] = {"model": spec.strong.model.uri, "maxTokens": spec.strong.max_tokens}
        save_file(
            {name: np.ascontiguousarray(values) for name, values in students.items()}, directory / HEADS
        )
    (directory / FILE).write_text(json.dumps(plain, indent=1, ensure_ascii=False), encoding="utf-8")


def is_combination(directory: Path) -> bool:
    """Whether a model's directory says how a teacher is added."""
    return (directory / FILE).is_file()


def load_combination(
    directory: Path, model: Path, name: str, models: Callable[[str], Path]
) -> "CombinedPredictor":
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
        plain = json.loads((directory / FILE).read_text(encoding="utf-8"))
        if plain["format"] != _FORMAT:
            raise ValueError(f"format {plain['format']}")
        task = Task.model_validate(plain["task"])
        published = Published(family_class(task.type)(task), models, directory / LABELERS)
        teacher = _Teacher.of(plain["teacher"], published) if plain["teacher"] else None
        heads = _Heads.of(plain["heads"], load_file(directory / HEADS), models) if plain["heads"] else None
        return CombinedPredictor(
            ClassPredictor(load_classifier(model, name)), Weights.of_json(plain["weights"]), teacher, heads
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
    teacher: "_Teacher | None"
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
class _Teacher:
    labelers: Sequence[Labeler]
    temperatures: Mapping[str, float]
    aggregation: Aggregation
    published: Published

    @classmethod
    def of(cls, plain: Mapping[str, Any], published: Published) -> "_Teacher":
        return cls(
            [Labeler.model_validate(labeler) for labeler in plain["labelers"]],
            plain["temperatures"],
            Aggregation.model_validate(plain["aggregation"]),
            published,
        )

    def says(self, texts: Sequence[str]) -> WeakLabels:
        labels = {labeler.name: self._of(labeler, texts) for labeler in self.labelers}
        settings = self.aggregation.settings
        nothing_to_learn_from = np.empty(0, dtype=np.int64)
        sources = Sources(labels, nothing_to_learn_from, self.published.family)
        return aggregation_of(settings)(settings, sources).labels

    def _of(self, labeler: Labeler, texts: Sequence[str]) -> WeakLabels:
        own = replace(self.published, directory=self.published.directory / labeler.name)
        labels = answer(labeler, texts, own)
        temperature = self.temperatures.get(labeler.name)
        if temperature is None:
            return labels
        return replace(labels, targets=at_temperature(labels.targets, temperature))


@dataclass(frozen=True)
class _Heads:
    """Students that are heads on the model as it came, with prior and bias."""

    head: Head
    directory: Path
    name: str
    max_tokens: int

    @classmethod
    def of(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], models: Callable[[str], Path]
    ) -> "_Heads":
        return cls(Head(**arrays), models(plain["model"]), plain["model"], plain["maxTokens"])

    def logits(self, texts: Sequence[str], batch_tokens: int) -> NDArray[np.float64]:
        features, _ = load_encoder(self.directory, self.name).features(texts, self.max_tokens, batch_tokens)
        return self.head.logits(features)


def _plain(struct: Any) -> Any:
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True)
