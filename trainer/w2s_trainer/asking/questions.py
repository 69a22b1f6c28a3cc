"""From a job to the questions for an expert: which texts, and why these."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from w2s_trainer.asking.choice import choose, disagreement, uncertainty
from w2s_trainer.errors import BadData, BadSpec

if TYPE_CHECKING:
    from w2s_trainer.asking.job import EndedJob


@dataclass(frozen=True)
class Answer:
    """A class and how sure somebody is of it."""

    label: str
    probability: float


@dataclass(frozen=True)
class Question:
    """One text, and what is thought of it."""

    id: str
    text: str
    group: str | None
    uncertainty: float
    """From 0 to 1: the entropy of the combination, the mean over seeds, as a share of ln K."""
    combination: Answer
    teacher: Answer | None
    """None where it abstains."""


def questions(job: "EndedJob", count: int) -> list[Question]:
    """The `count` texts of the pool that are most worth asking about, in the order in which they were chosen.

    Their groups are there for the expert; where the pool can no longer be read, they are left out.

    Raises:
        BadData: the pool has fewer families of texts.
    """
    said, examples = job.answers(), job.examples
    families = len(np.unique(examples.families[said.rows]))
    if count > families:
        raise BadData(
            "PoolTooSmall",
            f"{count:,} texts are asked for, but the pool has {len(said.rows):,} in {families:,} families, and one text"
            " of each is asked about.",
            f"Ask for {families:,} at most.",
        )
    doubt = uncertainty(said.combined)
    apart = disagreement(said.teacher, said.abstain, said.combined)
    ids = list(examples.ids.take(said.rows))
    labelled = examples.rows("budget")
    chosen = choose(
        doubt + apart,
        job.features[said.rows],
        examples.families[said.rows],
        ids,
        count,
        job.features[labelled],
    )
    rows = said.rows[chosen]
    texts, classes = list(examples.texts.take(rows)), job.classes
    groups = _groups(job, [ids[place] for place in chosen.tolist()])
    mean = said.combined.mean(axis=0)

    def answer(p: np.ndarray) -> Answer:
        return Answer(classes[int(p.argmax())], float(p.max()))

    return [
        Question(
            id=ids[place],
            text=text,
            group=groups.get(ids[place]),
            uncertainty=float(doubt[place] / np.log(len(classes))),
            combination=answer(mean[place]),
            teacher=None if said.abstain[place] else answer(said.teacher[place]),
        )
        for place, text in zip(chosen.tolist(), texts, strict=True)
    ]


def _groups(job: "EndedJob", ids: list[str]) -> dict[str, str]:
    if not job.fields.group:
        return {}
    try:
        return job.groups(ids)
    except (BadData, BadSpec):
        return {}
