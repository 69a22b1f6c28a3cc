"""Which rows teach the weak sources, and which are test, budget and pool of the jobs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from .declared import BUDGET, MODEL_TEXTS, POOL, PROMPTED_PARTS, RULE_TEXTS, TEST
from .rows import Row, digest


@dataclass(frozen=True)
class Division:
    """The rows of a task; no family is in two parts."""

    rule_texts: list[Row]
    model_texts: list[Row]
    test: list[Row]
    budget: list[Row]
    pool: list[Row]

    def for_prompting(self) -> "Division":
        """The first of each part."""
        test, budget, pool = PROMPTED_PARTS
        return Division(
            self.rule_texts, self.model_texts, self.test[:test], self.budget[:budget], self.pool[:pool]
        )


def divide(rows: Sequence[Row], elsewhere: bool) -> Division:
    """Whole families in the order of a hash of their smallest id, part by part until each is full.

    Args:
        rows: in any order.
        elsewhere: whether texts are set apart that a model is trained on.
    """
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    members = [sorted(family, key=lambda row: digest("row", row.id)) for family in families.values()]
    left = sorted(members, key=lambda family: digest("family", min(row.id for row in family)))
    classes = sorted({row.label for row in rows})
    rule_texts, left = taught(left, RULE_TEXTS, classes)
    model_texts, left = taught(left, MODEL_TEXTS if elsewhere else 0, classes)
    there = sum(map(len, left))
    share = min(1.0, there / (TEST + BUDGET + POOL))
    parts = []
    for size in (round(TEST * share), round(BUDGET * share), there):
        part: list[Row] = []
        while left and len(part) < size:
            part += left[0]
            left = left[1:]
        parts.append(part)
    test, budget, pool = parts
    return Division(rule_texts, model_texts, test, budget, pool[:POOL])


def taught(families: list[list[Row]], size: int, classes: Sequence[str]) -> tuple[list[Row], list[list[Row]]]:
    """Texts that teach a weak source, one a family, the first of each class in front; and the families that are left."""
    if not size:
        return [], families
    first: dict[str, int] = {}
    for place, family in enumerate(families):
        first.setdefault(family[0].label, place)
    order = [first[name] for name in classes if name in first]
    order += [place for place in range(len(families)) if place not in set(order)]
    chosen = order[:size]
    gone = set(chosen)
    return [families[place][0] for place in chosen], [
        family for place, family in enumerate(families) if place not in gone
    ]
