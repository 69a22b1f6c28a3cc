"""Fields that labelers import: kept beside the texts, and their votes counted, so that what is no class is refused."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2s_api.families import FAMILIES
from w2s_api.methods.method import field_of
from w2s_api.spec.job import Spec
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.families.task_family import NO_GOLD, TaskFamily
from w2s_trainer.stages.imported import ABSTAINS, IMPORTED, Meaning, number_column, text_column, vote_column
from w2s_trainer.stages.prepare.columns import NOTHING, Values
from w2s_trainer.stages.tables import write_table

MOST_VALUES = 500
"""Different values of a field that are counted; a manifest can give a meaning to fewer."""
LEAST_ROWS = 30
"""Gold rows on which a vote has to be the gold label, always, before it is taken for a copy of it."""


@dataclass(frozen=True)
class Wanted:
    """What labelers import."""

    votes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    are_texts: bool = False
    """Whether `votes` are texts that somebody wrote, to be kept as they are."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By field, where the manifest names it first."""

    def __bool__(self) -> bool:
        return bool(self.votes or self.numbers)


def wanted_by(spec: Spec) -> Wanted:
    """Finds what the labelers of a spec import from the rows: nothing where they import from pairs that are made of them."""
    if spec.synthesis.steps:
        return Wanted()
    votes: list[str] = []
    numbers: list[str] = []
    settings: dict[str, str] = {}
    for place, labeler in enumerate(spec.weak.labelers):
        votes += labeler.settings.vote_fields()
        numbers += labeler.settings.number_fields()
        for name in (*labeler.settings.vote_fields(), *labeler.settings.number_fields()):
            settings.setdefault(name, f"weak.labelers[{place}].{field_of(labeler.method)}")
    are_texts = FAMILIES[spec.task.type].writes
    return Wanted(tuple(dict.fromkeys(votes)), tuple(dict.fromkeys(numbers)), are_texts, settings)


class ImportedColumns:
    """The values of the rows of a role, by field."""

    def __init__(self, wanted: Wanted) -> None:
        self.votes: dict[str, Values] = {name: Values() for name in wanted.votes}
        self._column = text_column if wanted.are_texts else vote_column
        self.numbers: dict[str, array[float]] = {name: array("d") for name in wanted.numbers}

    def append(self, votes: Sequence[str | None], numbers: Sequence[float]) -> None:
        """Adds a row; NaN is no number."""
        for column, vote in zip(self.votes.values(), votes, strict=True):
            column.append(vote)
        for numeric, number in zip(self.numbers.values(), numbers, strict=True):
            numeric.append(number)

    def table(self) -> dict[str, pa.Array]:
        """The columns as they are stored."""
        return {
            **{self._column(name): pa.array(column, pa.string()) for name, column in self.votes.items()},
            **{
                number_column(name): pa.array(np.array(column, dtype=np.float64))
                for name, column in self.numbers.items()
            },
        }


def write_imported(roles: Sequence[Any], ids: pa.Array, output: Path) -> None:
    """Writes what labelers import, one row a text of the job.

    Args:
        roles: the rows of gold, test and pool (`corpus.Rows`).
        ids: of the texts, in the order of `examples.parquet`.
        output: the directory of the artifact.
    """
    known = pa.concat_arrays(
        [pa.array([], pa.string()), *(chunk for rows in roles for chunk in rows.id.column().chunks)]
    )
    tables = [rows.imported.table() for rows in roles if len(rows)]
    places = pc.index_in(ids, value_set=known)
    columns = {name: pa.concat_arrays([table[name] for table in tables]).take(places) for name in tables[0]}
    write_table({"id": ids, **columns}, output / IMPORTED)


def texts_summary(roles: Sequence[Any]) -> dict[str, dict[str, int]]:
    """Counts the texts of each field over all rows: {rows that have one, different ones}. None is quoted."""
    counted: dict[str, dict[str, int]] = {}
    for name in roles[0].imported.votes:
        columns = [rows.imported.votes[name] for rows in roles]
        counted[name] = {
            "rows": sum(int((column.codes != NOTHING).sum()) for column in columns),
            "different": len(set().union(*(column.known for column in columns))),
        }
    return counted


def votes_summary(roles: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Counts the values of each field with votes over all rows: by value {rows, first: the place of the first}."""
    counted: dict[str, dict[str, Any]] = {}
    for rows in roles:
        for name, column in rows.imported.votes.items():
            values = counted.setdefault(name, {})
            codes, first, counts = np.unique(column.codes, return_index=True, return_counts=True)
            for code, place, count in zip(codes.tolist(), first.tolist(), counts.tolist(), strict=True):
                value = column[place]
                if code < 0 or value is None:
                    continue
                if value in values:
                    values[value]["rows"] += count
                elif len(values) < MOST_VALUES:
                    uri, row = rows.place[place]
                    values[value] = {"rows": count, "first": f"{uri} row {row:,}"}
    return counted


def check_votes(summary: Mapping[str, Any], spec: Spec) -> None:
    """Judges what `votes_summary` found by the settings of the labelers.

    Raises:
        BadSpec: probabilities are given for too few classes.
        BadData: a vote is no class and no abstention.
    """
    if FAMILIES[spec.task.type].writes:
        return
    names = spec.task.class_names
    for place, labeler in enumerate(spec.weak.labelers):
        path = f"spec.weak.labelers[{place}].{field_of(labeler.method)}"
        given = len(labeler.settings.number_fields())
        if given and given < len(names) - 1:
            raise BadSpec(
                "ProbabilitiesIncomplete",
                f"{path}.probabilities has the fields of {given:,} of {len(names):,} classes.",
                "Name the field of each class; one of them may be left out.",
            )
        for name in labeler.settings.vote_fields():
            values = summary.get("imported", {}).get(name, {})
            meaning = Meaning(labeler.settings, names)
            strange = [value for value in values if meaning.of(value) is None]
            if strange:
                raise _no_class(name, {value: values[value] for value in strange}, names, path)


def _no_class(name: str, strange: Mapping[str, Any], classes: Sequence[str], path: str) -> BadData:
    most = sorted(strange, key=lambda value: -int(strange[value]["rows"]))
    shown = ", ".join(
        f"`{value[:40]}` ({strange[value]['rows']:,}, first in {strange[value]['first']})"
        for value in most[:5]
    )
    rest = f" and {len(most) - 5:,} others" if len(most) > 5 else ""
    return BadData(
        "VoteOutsideClasses",
        f"{path}: the field `{name}` has votes that are no class of task.classes"
        f" ({', '.join(f'`{known}`' for known in classes[:10])}{', …' if len(classes) > 10 else ''}): {shown}{rest}.",
        "Say in `values` which class each means, or in `abstainOn` that it is an abstention.",
    )


def copies_of_gold(parts: Any, roles: Sequence[Any], spec: Spec, family: TaskFamily) -> list[str]:
    """Notes fields that say just what the experts' label says, in words.

    Args:
        parts: of the job (`parts.Parts`).
        roles: the rows of gold and test.
        spec: has the labelers.
        family: has numbered the gold labels.
    """
    gold: dict[str, Any] = {}
    for part in (parts.budget, parts.test):
        known = part.label != NO_GOLD
        labels = family.stored_gold(part.label[known]).tolist()
        names = [name for name, is_known in zip(part.id, known.tolist(), strict=True) if is_known]
        gold.update(zip(names, map(_comparable, labels), strict=True))
    found = []
    for place, labeler in enumerate(spec.weak.labelers):
        for name in labeler.settings.vote_fields():
            said_by: Callable[[str], Any] = normalised
            if not FAMILIES[spec.task.type].writes:
                said_by = Meaning(labeler.settings, spec.task.class_names).of
            same = [
                said == gold[row_id]
                for rows in roles
                for row_id, value in zip(rows.id.strings(), rows.imported.votes[name], strict=True)
                if value is not None and row_id in gold and (said := said_by(value)) not in (None, ABSTAINS)
            ]
            if len(same) >= LEAST_ROWS and all(same):
                found.append(
                    f"weak.labelers[{place}]: `{name}` is the expert's label on all of {len(same):,} gold rows that"
                    " have it. If it is a copy of that, the weak labels measure themselves: leave it out"
                )
    return found


def _comparable(label: Any) -> Any:
    """Of several gold texts the first."""
    shown = label[0] if isinstance(label, list) else label
    return normalised(shown) if isinstance(shown, str) else shown
