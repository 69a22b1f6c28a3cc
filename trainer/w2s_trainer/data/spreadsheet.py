"""Cells that a spreadsheet program must take as text, and not as a formula that it runs."""

GUARD = "'"
"""Before a cell: what follows is text."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guarded(cell: str) -> str:
    """The cell, with a guard before it if a program might run it; `unguarded` gives the cell back.

    Texts of a pool may come from strangers, and `=HYPERLINK(…)` in one of them would be run on the expert's machine
    (OWASP, CSV injection). White space before such a character does not count, for some programs drop it.
    """
    return GUARD + cell if cell.lstrip(" \u00a0").startswith((*_FORMULA, GUARD)) else cell


def unguarded(cell: str) -> str:
    """The cell without the guard that `guarded` put before it."""
    return cell.removeprefix(GUARD) if guarded(cell[1:]) == cell else cell
