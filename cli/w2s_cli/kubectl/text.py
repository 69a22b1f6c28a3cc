"""Tables, spans of time and colours as plain text. Pure."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}

Paint = Callable[[str, str], str]
"""Gives a text the style of that name."""


def colours(text: str, style: str) -> str:
    """For a terminal."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and text else text


def no_colours(text: str, _style: str) -> str:
    """For files and pipes."""
    return text


def paint_for(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Paint:
    """Colours on a terminal, unless its user does not want them (https://no-color.org)."""
    wanted = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return colours if wanted else no_colours


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: Callable[[str, str], str],
    paint: Paint,
) -> list[str]:
    """Lines of a table; a column that is empty throughout is left out.

    Args:
        columns: headings.
        rows: cells, as many as headings.
        style: name of the style of a cell, from its heading and text.
        paint: applies it.
    """
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    widths = {place: max(len(columns[place]), *(len(row[place]) for row in rows)) for place in kept}

    def line(cells: Sequence[str], paint_cell: Callable[[str, str], str]) -> str:
        padded = [paint_cell(columns[place], cells[place].ljust(widths[place])) for place in kept]
        return "   ".join(padded).rstrip()

    heading = line(columns, lambda _column, cell: paint(cell, "dim"))
    return [
        heading,
        *(line(row, lambda column, cell: paint(cell, style(column, cell.strip()))) for row in rows),
    ]


def span(seconds: float) -> str:
    """A span of time, in its two largest units: 45s, 2m10s, 1h02m, 3d4h."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days}d{hours_left}h"
    if hours:
        return f"{hours}h{minutes_left:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def printable(text: str) -> str:
    """Replaces what a terminal might take for a command: logs may quote documents of anybody."""
    return "".join(
        character if character.isprintable() or character == "\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
