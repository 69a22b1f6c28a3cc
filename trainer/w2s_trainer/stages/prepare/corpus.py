"""Everything that was read, each text once."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from w2s_api.families import FAMILIES
from w2s_api.spec.job import Spec
from w2s_trainer.data.sources import DataFile, listing
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.asked import Asked, read_asked
from w2s_trainer.stages.prepare.columns import Ids, Places, Values
from w2s_trainer.stages.prepare.imported import ImportedColumns, Wanted, wanted_by
from w2s_trainer.stages.prepare.texts import Texts
from w2s_trainer.stages.prepare.usable import Quarantined, Role, SourceReader

if TYPE_CHECKING:
    from w2s_trainer.contract.progress import Progress
    from w2s_trainer.store.objects import Objects


@dataclass
class Rows:
    """The usable rows of a role, by column."""

    uri: str = ""
    text: "array[int]" = field(default_factory=lambda: array("q"))
    """Indices into the texts."""
    label: Values = field(default_factory=Values)
    group: Values = field(default_factory=Values)
    id: Ids = field(default_factory=Ids)
    place: Places = field(default_factory=Places)
    imported: ImportedColumns = field(default_factory=lambda: ImportedColumns(Wanted()))
    """What labelers import."""

    def __len__(self) -> int:
        return len(self.text)


@dataclass
class Corpus:
    """All rows that were read."""

    texts: Texts
    gold: Rows
    test: Rows
    unlabeled: Rows
    seen: Rows
    """What a weak model was trained on; it has no part in the job but to keep its families out of the test."""
    quarantine: list[Quarantined]
    asked: Asked = field(default_factory=Asked)
    without_group: int = 0
    """Rows of gold, test and pool without a group, where a field for it is named."""
    labels_ignored: int = 0
    """Labels of the pool that can be no label."""


def read_corpus(spec: Spec, objects: "Objects", scratch: Path, progress: "Progress") -> Corpus:
    """Reads all sources of a spec.

    Raises:
        BadSpec: an object of a format that is not read.
        BadData: nothing there; a file or a field that cannot be used; an id twice.
    """
    sources = _sources(spec)
    files = {(role, uri): _files(uri, objects, progress) for role, uri in sources}
    prefixed = _ambiguous(files)
    wanted = wanted_by(spec)
    gold, test, unlabeled = (Rows(imported=ImportedColumns(wanted)) for _ in range(3))
    inputs = spec.task.row_fields
    corpus = Corpus(Texts(inputs), gold, test, unlabeled, Rows(), [])
    for (role, uri), data_files in files.items():
        rows: Rows = getattr(corpus, role)
        rows.uri = rows.uri or uri
        before = len(rows)
        reader = SourceReader(role, uri, data_files, spec.data.fields, corpus.quarantine)
        reader.has_references = FAMILIES[spec.task.type].writes
        if role != "seen":
            # Documents that pairs are made of have no fields of a question.
            of_pairs = role == "unlabeled" and bool(spec.synthesis.steps)
            reader.imported, reader.inputs = wanted, () if of_pairs else inputs
        for example in reader.examples(objects, scratch):
            rows.text.append(corpus.texts.add(example.text, example.inputs))
            rows.label.append(example.label)
            rows.group.append(example.group)
            rows.place.append(example.file.uri, example.row)
            if role == "seen":
                continue
            rows.imported.append(example.votes, example.numbers)
            if example.id is None:
                name = f"{role}/{example.file.name}" if role in prefixed else example.file.name
                rows.id.append(f"{name}:{example.row}")
                continue
            rows.id.append(example.id)
        corpus.labels_ignored += reader.labels_ignored
        corpus.without_group += reader.without_group if role != "seen" else 0
        progress.note(f"Read {len(rows) - before:,} usable rows of {uri}{_remarks(reader)}")
    if spec.data.fields.id:
        in_order = [
            getattr(corpus, role) for role in dict.fromkeys(role for role, _ in files) if role != "seen"
        ]
        _check_ids(in_order, spec.data.fields.id)
    if spec.data.asked:
        uri = spec.data.asked.uri
        asked = read_asked(uri, _files(uri, objects, progress), spec.data.fields, corpus, objects, scratch)
        corpus.asked = asked
        progress.note(
            f"Read {len(asked):,} labels of texts that were asked about in {uri}; {asked.unanswered:,} rows have no"
            f" label yet"
            + (f", and {asked.known:,} are labelled in gold or test already" if asked.known else "")
        )
    return corpus


def _check_ids(every: Sequence[Rows], name: str) -> None:
    """Raises BadData where two rows have one id.

    Args:
        every: all rows in the order in which they were read.
        name: of the field.
    """
    ids = pa.concat_arrays(
        [pa.array([], pa.string()), *(chunk for rows in every for chunk in rows.id.column().chunks)]
    )
    coded = ids.dictionary_encode()
    if len(coded.dictionary) == len(ids):
        return
    codes = coded.indices.to_numpy()
    first = np.unique(codes, return_index=True)[1][codes]
    again = np.flatnonzero(first != np.arange(len(codes)))
    ends = np.cumsum([len(rows) for rows in every])

    def at(place: int) -> str:
        number = int(np.searchsorted(ends, place, side="right"))
        uri, row = every[number].place[place - int(ends[number]) + len(every[number])]
        return f"{uri} row {row:,}"

    shown = "; ".join(f"{at(int(first[place]))} and {at(int(place))}" for place in again[:3])
    raise BadData(
        "DuplicateId",
        f"{len(again):,} rows have the `{name}` of another row: {shown}.",
        "Make ids unique over all sources, or leave `data.fields.id` out.",
    )


def _files(uri: str, objects: "Objects", progress: "Progress") -> list[DataFile]:
    listed = listing(uri, objects)
    if hidden := listed.passed_over:
        first = ", ".join(hidden[:3]) + (", …" if len(hidden) > 3 else "")
        progress.note(
            f"Passed over {len(hidden):,} objects below {uri} whose names begin with `_` or `.`: {first}"
        )
        if any("_delta_log" in name.split("/") for name in hidden):
            progress.note(
                f"{uri} holds a Delta table: rows that its log has deleted are read too; export it first"
            )
    return listed.files


def _remarks(reader: SourceReader) -> str:
    remarks = ""
    if reader.files_without_rows:
        remarks += f"; {reader.files_without_rows:,} of {len(reader.files):,} files have no rows"
    if reader.longest:
        name, row = reader.longest
        remarks += (
            f"; {reader.over_lines:,} go over several lines, {name} row {row.number:,} over {row.lines:,}"
        )
    if reader.without_group:
        remarks += f"; {reader.without_group:,} have no `{reader.fields.group}` and stand alone"
    return remarks


def _sources(spec: Spec) -> list[tuple[Role, str]]:
    data = spec.data
    seen = [uri for labeler in spec.weak.labelers for uri in labeler.settings.sources()]
    # A text keeps the form in which it came first, so that gold is never rewritten by the pool.
    sources: list[tuple[Role, str]] = [("gold", data.gold.uri), ("unlabeled", data.unlabeled.uri)]
    if data.test:
        sources.insert(0, ("test", data.test.uri))
    return sources + [("seen", uri) for uri in dict.fromkeys(seen)]


def _ambiguous(files: dict[tuple[Role, str], list[DataFile]]) -> set[Role]:
    """Finds the roles whose files are called as those of another."""
    names: dict[str, Role] = {}
    ambiguous: set[Role] = set()
    for (role, _), sources in files.items():
        for file in sources:
            if role != "seen" and names.setdefault(file.name, role) != role:
                ambiguous |= {role, names[file.name]}
    return ambiguous
