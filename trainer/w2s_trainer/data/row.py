"""What a file consists of: rows, and places where a row should have been."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written."""

    number: int
    """1-based: the line of JSONL; the record of CSV (without the header) and Parquet."""
    values: Mapping[str, Any]
    fields: Collection[str]
    """The names of all fields of the row, also of those that were not read."""
    line: int | None = None
    """1-based: the line on which a CSV record begins; None where the number says it, or there are no lines."""
    lines: int = 1
    """How many lines it takes; a quoted field of CSV may go over several."""
    repeated: Collection[str] = ()
    """Fields that the row gives more than once."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that cannot be used, and why; the reason quotes nothing of the data."""

    number: int
    reason: str
    fields: Collection[str] = ()
    """The names of the fields, where they are known all the same."""
    line: int | None = None
    lines: int = 1
    """How many lines it takes. Where a file is broken, each of them may have been a row."""

    @property
    def explanation(self) -> str:
        """The reason, with the lines where they say more than the number of the row."""
        if self.line is None:
            return self.reason
        if self.lines == 1:
            return f"{self.reason} (line {self.line:,})"
        return f"{self.reason} (lines {self.line:,} to {self.line + self.lines - 1:,})"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A value of a type that is neither text nor a key; it was not read."""

    type: str
    """As the file names it: `timestamp[us]`."""
