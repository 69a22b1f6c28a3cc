"""From what stands in the label field to a class."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_api.canonical_text import canonical_text
from w2s_trainer.errors import BadData, BadSpec

_SHOWN = 5


def class_index(classes: Sequence[str]) -> dict[str, int]:
    """The number of each class by the one form of its name, as labels have it (`canonical_text`).

    Raises:
        BadSpec: two names have one form, so that no label could tell them apart.
    """
    index: dict[str, int] = {}
    for number, name in enumerate(classes):
        other = index.setdefault(canonical_text(name), number)
        if other != number:
            raise BadSpec(
                "AmbiguousClasses",
                f"task.classes: {_spelled(classes[other])} and {_spelled(name)} are the same label as labels are compared.",
                "Keep one of them, or rename it.",
            )
    return index


def check_every_class(labels: NDArray[np.int64], classes: Sequence[str], uri: str) -> None:
    """Raises BadData if a class has no gold example."""
    counts = np.bincount(labels, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise BadData(
            "ClassWithoutGold",
            f"{uri} has no example of {_quoted(missing)}; it has"
            f" {', '.join(f'{count:,} of `{name}`' for name, count in zip(classes, counts, strict=True) if count)}.",
            "Label some texts of that class, or take it out of `task.classes`.",
        )


def outside(
    labels: Sequence[str], places: Sequence[tuple[str, int]], classes: Sequence[str], uri: str
) -> BadData:
    """The error for labels that are no classes.

    Args:
        labels: in their one form.
        places: (file, row) of each.
        classes: the K class names.
        uri: the source.
    """
    first: dict[str, tuple[str, int]] = {}
    counts: dict[str, int] = {}
    for label, place in zip(labels, places, strict=True):
        first.setdefault(label, place)
        counts[label] = counts.get(label, 0) + 1
    most = sorted(counts, key=lambda label: -counts[label])
    shown = ", ".join(
        f"`{_short(label)}` ({counts[label]:,}, first in {first[label][0]} row {first[label][1]:,})"
        for label in most[:_SHOWN]
    )
    rest = f" and {len(most) - _SHOWN:,} others" if len(most) > _SHOWN else ""
    folded = {name.casefold(): name for name in classes}
    near = difflib.get_close_matches(most[0].casefold(), list(folded), n=1, cutoff=0.6)
    advice = f"Is {_spelled(most[0])} the class {_spelled(folded[near[0]])}? " if near else ""
    return BadData(
        "LabelOutsideClasses",
        f"{uri}: labels that are not in task.classes ({_quoted(classes)}): {shown}{rest}.",
        f"{advice}Add the class, mend the label, or leave the row out.",
    )


def _quoted(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(f"`{name}`" for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _spelled(name: str) -> str:
    """A name with the code points of what is not ASCII in it."""
    points = " ".join(f"U+{ord(character):04X}" for character in name if not character.isascii())
    return f"`{_short(name)}`" + (f" ({points})" if points else "")


def _short(label: str) -> str:
    return label if len(label) <= 40 else label[:39] + "…"
