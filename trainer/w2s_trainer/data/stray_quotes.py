"""Tells a text of several lines from rows of a CSV file that two stray quotes have joined into one field.

By the letter of the format both are the same. They differ in what the lines look like.
"""

from collections.abc import Sequence
from statistics import median

_SHORT = 64
"""Characters; longer values are not remembered."""
_REMEMBERED = 256
"""Values of a column."""
_MANY = 10
"""Lines; a text of one column that has more of them is looked at."""


class ColumnValues:
    """The short values that the columns of a file have had so far."""

    def __init__(self, count: int) -> None:
        self._seen: list[set[str]] = [set() for _ in range(count)]
        self._lengths: list[int] = []
        self._single_lines = True

    def note(self, record: Sequence[str], lines: int) -> None:
        """Remembers the values of a record, and over how many lines it went."""
        self._single_lines = self._single_lines and lines == 1
        if len(self._lengths) < _REMEMBERED:
            self._lengths.append(sum(map(len, record)))
        for seen, field in zip(self._seen, record, strict=True):
            if len(field) <= _SHORT and len(seen) < _REMEMBERED:
                seen.add(field)

    def may_have(self, column: int, field: str, other: str) -> bool:
        """Whether a field was seen in the column, as classes are, or is made like another one, as numbers are."""
        kinds = _kinds(field)
        return field in self._seen[column] or field == other or ("digit" in kinds and kinds == _kinds(other))

    def are_as_long(self, lines: Sequence[str]) -> bool:
        """Whether all lines are about as long as the records so far, each of which was on a line of its own."""
        if not self._lengths or not self._single_lines:
            return False
        usual = median(self._lengths)
        return all(usual / 2 <= len(line) <= 2 * usual for line in lines)


def reads_as_rows(record: Sequence[str], lines: Sequence[str], columns: ColumnValues) -> bool:
    """Whether the lines of one record look like a row each, so that two stray quotes may have joined them.

    They do if each has as many fields as the record, and most have in its other columns what these columns have.
    Lines of a text hardly ever do. In a file of one column, where nothing else tells them, they do if there are many
    and each is about as long as the records before.

    Args:
        record: the fields of the record.
        lines: the lines that it was read from, as they are.
        columns: what the records before it had.
    """
    if len(record) == 1:
        return len(lines) > _MANY and columns.are_as_long([line.rstrip("\r\n") for line in lines])
    rows = [line.rstrip("\r\n").split(",") for line in lines]
    joined = [column for column, field in enumerate(record) if "\n" in field or "\r" in field]
    if len(joined) != 1 or any(len(row) != len(record) for row in rows):
        return False
    # The record has its columns before the quote from its first line, and those after it from its last.
    before, after = range(joined[0]), range(joined[0] + 1, len(record))
    compared = [
        [columns.may_have(column, row[column], record[column]) for column in where]
        for where, part in ((before, rows[1:]), (after, rows[:-1]))
        for row in part
        if where
    ]
    return 2 * sum(map(all, compared)) > len(compared)


def _kinds(field: str) -> set[str]:
    """The kinds of characters in a field; what is neither letter nor digit is a kind of its own."""
    return {"letter" if c.isalpha() else "digit" if c.isdigit() else c for c in field}
