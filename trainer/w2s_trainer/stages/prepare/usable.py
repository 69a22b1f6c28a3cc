"""From rows to examples: the fields of the manifest, what is quarantined, and when it is too much."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from w2s_api.lookalikes import alike, in_code_points
from w2s_api.spec.data import Fields
from w2s_trainer.data.keys import says_missing
from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.rows import read_rows
from w2s_trainer.data.sources import DataFile, listing
from w2s_trainer.data.values import Unfit, answer_of, input_of, key_of, references_of, share_of, text_of
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.imported import Wanted

if TYPE_CHECKING:
    from w2s_trainer.store.objects import Objects

Role = Literal["gold", "test", "unlabeled", "asked", "seen"]
"""What the rows of a source are for; `asked` are answers to `w2s ask`, `seen` what a weak model was trained on."""

_OF_POOL: tuple[Role, ...] = ("asked", "seen")
"""Rows without a group of their own."""

SHARE = 0.1
"""The share of unusable rows above which a source is refused."""
FEW = 10
"""So many unusable rows are borne in any case."""


@dataclass(frozen=True, slots=True)
class Example:
    """A usable row."""

    file: DataFile
    row: int
    text: str
    label: str | None
    group: str | None
    id: str | None
    votes: tuple[str | None, ...] = ()
    """What labelers import, in the order of `Wanted`: votes in the one form of keys, or texts as they are."""
    numbers: tuple[float, ...] = ()
    inputs: tuple[str, ...] = ()
    """What prompts are made of beside the text, in the order of `Task.row_fields`."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that is not used; row 0 stands for a whole file."""

    source: str
    row: int
    reason: str
    lines: int = 1
    """How many lines of a broken file it takes; each may have been a row."""


@dataclass
class SourceReader:
    """Reads the examples of one source and keeps count of what cannot be used.

    Args:
        role: what the rows are for; gold and test rows must have a label.
        uri: the source, as the manifest names it.
        files: its objects.
        quarantine: rows that cannot be used are added here.
        imported: fields that labelers import; the pool must have each of them.
        inputs: fields that models read beside the text; each row must have each of them.
        has_references: whether a label may be a list of gold texts.
    """

    role: Role
    uri: str
    files: list[DataFile]
    fields: Fields
    quarantine: list[Quarantined]
    imported: Wanted = field(default_factory=Wanted)
    inputs: tuple[str, ...] = ()
    has_references: bool = False
    without_group: int = 0
    """Usable rows without a group, although the manifest names a field for it."""
    labels_ignored: int = 0
    """Labels of unlabelled rows that can be no label."""
    files_without_rows: int = 0
    over_lines: int = 0
    """Usable rows of CSV that go over several lines."""
    longest: tuple[str, Row] | None = None
    """The one of them with the most lines, and its file."""
    _names: dict[str, None] = field(default_factory=dict)
    _present: set[str] = field(default_factory=set)

    @classmethod
    def beside(cls, uri: str, fields: Fields, objects: "Objects") -> "SourceReader":
        """That of texts which are no part of a job's data: a corpus, general texts, passages.

        Raises:
            BadSpec, BadData: the place cannot be listed, or has no files.
        """
        return cls("seen", uri, listing(uri, objects).files, fields, [])

    def examples(self, objects: "Objects", scratch: Path) -> Iterator[Example]:
        """The usable rows, in order.

        Raises:
            BadData: there are no rows, a file is broken, a field is in no row, or too many rows cannot be used.
        """
        wanted = [name for name in vars(self.fields).values() if name]
        wanted = list(dict.fromkeys([*wanted, *self.imported.settings, *self.inputs]))
        first, total = len(self.quarantine), 0
        for file in self.files:
            before = total
            for row in read_rows(file, objects, scratch, wanted):
                self._note_fields(row.fields)
                example = row if isinstance(row, Unusable) else self._example(file, row)
                if isinstance(row, Row) and isinstance(example, Example) and row.lines > 1:
                    self._note_lines(file, row)
                total += example.lines if isinstance(example, Unusable) else 1
                if isinstance(example, Unusable):
                    self.quarantine.append(
                        Quarantined(file.uri, example.number, example.explanation, example.lines)
                    )
                else:
                    self.without_group += (
                        example.group is None and self.fields.group is not None and self.role not in _OF_POOL
                    )
                    yield example
            self.files_without_rows += total == before
        if not total:
            raise BadData("EmptyFile", f"{self.uri} has no rows.", "Give a file with rows, or leave it out.")
        self._check_fields()
        self._check_share(self.quarantine[first:], total)

    def _example(self, file: DataFile, row: Row) -> Example | Unusable:
        names = self.fields
        try:
            text = text_of(row, names.text)
            label = self._label(file, row)
            group = key_of(row, names.group) if names.group and self.role != "asked" else None
            name = key_of(row, names.id) if names.id and self.role != "seen" else None
            said_in = answer_of if self.imported.are_texts else key_of
            votes = tuple(said_in(row, vote) for vote in self.imported.votes)
            numbers = tuple(share_of(row, number) for number in self.imported.numbers)
            inputs = tuple(input_of(row, name) for name in self.inputs)
        except Unfit as unfit:
            return Unusable(row.number, str(unfit), line=row.line)
        if label is None and self.role in ("gold", "test"):
            return Unusable(row.number, f"no `{names.label}`", line=row.line)
        if name is None and names.id and self.role != "seen":
            return Unusable(row.number, f"no `{names.id}`", line=row.line)
        if group is not None and says_missing(group):
            group = None
        return Example(file, row.number, text, label, group, name, votes, numbers, inputs)

    def _note_fields(self, names: Collection[str]) -> None:
        if len(self._names) < 100:
            self._names.update(dict.fromkeys(names))
        self._present.update(name for name in self._needed() if name in names)

    def _note_lines(self, file: DataFile, row: Row) -> None:
        self.over_lines += 1
        if self.longest is None or row.lines > self.longest[1].lines:
            self.longest = (file.name, row)

    def _label(self, file: DataFile, row: Row) -> str | None:
        if self.role == "seen":
            return None
        try:
            if self.has_references:
                return references_of(row, self.fields.label, in_cell=file.name.lower().endswith(".csv"))
            return key_of(row, self.fields.label)
        except Unfit:
            if self.role == "unlabeled":  # it plays no part in the job but for the ceiling
                self.labels_ignored += 1
                return None
            raise

    def _needed(self) -> dict[str, tuple[str, str]]:
        """The fields that some row must have: where the manifest names each, and what its absence is called."""
        names = self.fields
        own = {"asked": ("id",), "seen": ()}.get(self.role, ("group", "id"))
        kinds = ["text", *(["label"] if self.role in ("gold", "test", "asked") else [])]
        kinds += [kind for kind in own if getattr(names, kind)]
        needed = {getattr(names, kind): (f"data.fields.{kind}", kind.capitalize()) for kind in kinds}
        needed = dict.fromkeys(self.inputs, ("task.generation.prompt", "Input")) | needed
        if self.role == "unlabeled":
            needed = {name: (path, "Imported") for name, path in self.imported.settings.items()} | needed
        return needed

    def _check_fields(self) -> None:
        for name, (setting, kind) in self._needed().items():
            if self._names and name not in self._present:
                there = ", ".join(f"`{field_name}`" for field_name in self._names)
                raise BadData(
                    f"{kind}FieldMissing",
                    f"{self.uri}: no row has the field `{name}` ({setting}); the fields are {there}.",
                    _advice(name, self._names, setting),
                )

    def _check_share(self, unusable: list[Quarantined], total: int) -> None:
        lost = sum(bad.lines for bad in unusable)
        if lost < total and (lost <= FEW or lost <= SHARE * total):
            return
        first = "; ".join(f"{_last(bad.source)} row {bad.row:,}: {bad.reason}" for bad in unusable[:3])
        raise BadData(
            "TooManyUnusableRows",
            f"{self.uri}: {lost:,} of {total:,} rows cannot be used. The first: {first}.",
            "Mend the file or `data.fields`; up to one row in ten may be bad.",
        )


def _advice(name: str, names: Collection[str], setting: str) -> str:
    if twin := next((candidate for candidate in names if alike(candidate, name)), None):
        return f"{in_code_points(name, twin)}. Write both alike."
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"Did you mean `{near[0]}`?" if near else f"Name one of them as {setting}."


def _last(uri: str) -> str:
    return uri.rpartition("/")[2]
