"""The division of gold into test and budget, whole families at a time (docs/protocol.md)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadData


@dataclass(frozen=True)
class Gold:
    """The gold rows that are divided (n of them)."""

    family: NDArray[np.int64]
    """int64[n]"""
    label: NDArray[np.int64]
    """int64[n], class indices."""
    identity: Sequence[bytes]
    """What names each row whatever its place in the file: the digest of its text."""


def divide(
    gold: Gold, classes: Sequence[str], fraction: float, seed: int, barred: frozenset[int] = frozenset()
) -> NDArray[np.bool_]:
    """Which gold rows are the test.

    Families are put in strata by the rarest class they hold. In each stratum they are ordered by
    sha256(seed, smallest row identity) and taken as far as they fit into `fraction` of its rows (by half at
    least); of two families or more, at least one is taken and one is left. So the division depends on neither
    the order of the rows nor on what lies in the pool, and both sides have the classes in about their natural
    shares.

    Args:
        gold: the gold rows.
        classes: the K class names; each has a row.
        fraction: the share of the rows that the test is to have.
        seed: another seed, another division.
        barred: families that must not be in the test, because the teacher has seen them.

    Returns:
        bool[n], constant within a family.

    Raises:
        BadData: a class cannot be on both sides.
    """
    names, member = np.unique(gold.family, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (member, gold.label), 1)
    order = _drawing_order(gold, member, len(names), seed)
    free = np.array([name not in barred for name in names.tolist()], dtype=bool)
    _check_divisible(counts, free, classes)

    holds = counts > 0
    rarity = holds.sum(axis=0)
    stratum = np.where(holds, rarity, np.iinfo(np.int64).max).argmin(axis=1)
    chosen = np.zeros(len(names), dtype=bool)
    for number in np.unique(stratum).tolist():
        within = [family for family in order if stratum[family] == number]
        chosen[_first_part(within, free, counts.sum(axis=1), fraction)] = True
    _mend(chosen, holds, free, order, classes)
    return np.asarray(chosen[member])


def check_every_class_in(
    part: str, labels: NDArray[np.int64], classes: Sequence[str], why: str, hint: str
) -> None:
    """Raises BadData ClassNotInTest or ClassNotInBudget if a part lacks a class."""
    counts = np.bincount(labels, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise BadData(
            f"ClassNotIn{part.capitalize()}",
            f"The {part} has no gold example of {', '.join(f'`{name}`' for name in missing)}{why}.",
            hint,
        )


def _drawing_order(gold: Gold, member: NDArray[np.int64], count: int, seed: int) -> list[int]:
    smallest: list[bytes | None] = [None] * count
    for family, identity in zip(member.tolist(), gold.identity, strict=True):
        known = smallest[family]
        smallest[family] = identity if known is None else min(known, identity)
    draws = [hashlib.sha256(b"%d:" % seed + (name or b"")).digest() for name in smallest]
    return sorted(range(count), key=draws.__getitem__)


def _first_part(
    within: list[int], free: NDArray[np.bool_], rows: NDArray[np.int64], fraction: float
) -> list[int]:
    """The families of a stratum that fit in its part of the test, in drawing order; the smallest if none does."""
    wanted = fraction * sum(int(rows[family]) for family in within)
    able = [family for family in within if free[family]]
    taken: list[int] = []
    total = 0
    for family in able:
        if total + rows[family] / 2 <= wanted:
            taken.append(family)
            total += int(rows[family])
    taken = taken or sorted(able, key=lambda family: int(rows[family]))[:1]
    return taken[:-1] if len(taken) == len(within) else taken


def _mend(
    chosen: NDArray[np.bool_],
    holds: NDArray[np.bool_],
    free: NDArray[np.bool_],
    order: list[int],
    classes: Sequence[str],
) -> None:
    """Moves single families until every class is on both sides, without taking another class away."""
    for number, name in enumerate(classes):
        for side in (True, False):
            if holds[chosen == side, number].any():
                continue
            movable = [
                family
                for family in order
                if holds[family, number]
                and (free[family] or not side)
                and _others_stay(family, chosen, holds)
            ]
            if not movable:
                raise BadData(
                    "ClassNotInTest" if side else "ClassNotInBudget",
                    f"The gold families cannot be divided so that `{name}` is in both test and budget:"
                    " its families are the only ones of other classes.",
                    "Label texts of more groups, or give `data.test`.",
                )
            chosen[movable[0]] = side


def _others_stay(family: int, chosen: NDArray[np.bool_], holds: NDArray[np.bool_]) -> bool:
    left = holds[chosen == chosen[family]].sum(axis=0) - holds[family]
    return bool((left[holds[family]] > 0).all())


def _check_divisible(counts: NDArray[np.int64], free: NDArray[np.bool_], classes: Sequence[str]) -> None:
    for number, name in enumerate(classes):
        having = counts[:, number] > 0
        rows = f"{int(counts[:, number].sum()):,} gold rows of `{name}`"
        if not (having & free).any():
            raise BadData(
                "ClassNotInTest",
                f"All {rows} are of families that the teacher was trained on, so that none can be in the test.",
                "Label texts of other groups, or give `data.test`.",
            )
        if having.sum() < 2:
            raise BadData(
                "ClassNotInTest",
                f"The {rows} are of one family (one group, or near-duplicates of one another), so that they"
                " cannot be in both test and budget.",
                "Label texts of that class from other groups, or give `data.test`.",
            )
