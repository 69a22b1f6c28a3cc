"""A job's teacher as it is published: its labelers as data, and what they left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from w2s_api.spec.job import Spec
from w2s_api.spec.weak import Aggregation, Labeler
from w2s_trainer.stages.aggregate.methods import Sources, aggregation_of
from w2s_trainer.stages.label.calibration import at_temperature
from w2s_trainer.stages.label.methods import Published, answer, can_be_published
from w2s_trainer.stages.tables import WeakLabels

FOLDER = "w2s_combination"
"""In a model's directory, apart from its own files: how the teacher is joined to what the model answers."""
FILE = f"{FOLDER}/combination.json"
FORMAT = 1


def publishes_teacher(spec: Spec) -> bool:
    """Whether all that the teacher needs can be published with a model."""
    labelers = (can_be_published(labeler.settings) for labeler in spec.weak.labelers)
    return all(labelers) and spec.aggregation.settings.by_text


def plain_teacher(spec: Spec, temperatures: Mapping[str, float]) -> dict[str, Any] | None:
    """The teacher as JSON; None where it cannot be published.

    Args:
        spec: has the labelers.
        temperatures: of those that were calibrated, by name.
    """
    if not publishes_teacher(spec):
        return None
    return {
        "labelers": [plain(labeler) for labeler in spec.weak.labelers],
        "temperatures": dict(temperatures),
        "aggregation": plain(spec.aggregation),
    }


def plain_combination(
    spec: Spec, weights: Mapping[str, Any], temperatures: Mapping[str, float]
) -> dict[str, Any]:
    """What every published combination says, as JSON: the task, the weights, the teacher.

    Args:
        spec: has the teacher, as data.
        weights: of the published seed, an entry of the artifact's weights.json.
        temperatures: of the labelers that were calibrated, by name.
    """
    return {
        "format": FORMAT,
        "task": plain(spec.task),
        "weights": weights,
        "teacher": plain_teacher(spec, temperatures),
    }


def plain(struct: Any) -> Any:
    """A part of a spec as JSON, defaults left out."""
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@dataclass(frozen=True)
class Teacher:
    """The labelers of a job and how their labels are joined, to be asked about other texts."""

    labelers: Sequence[Labeler]
    temperatures: Mapping[str, float]
    aggregation: Aggregation
    published: Published

    @classmethod
    def of(cls, plain: Mapping[str, Any], published: Published) -> "Teacher":
        """That of `plain_teacher`."""
        return cls(
            [Labeler.model_validate(labeler) for labeler in plain["labelers"]],
            plain["temperatures"],
            Aggregation.model_validate(plain["aggregation"]),
            published,
        )

    def says(self, texts: Sequence[str]) -> WeakLabels:
        """Its weak labels of n texts."""
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
