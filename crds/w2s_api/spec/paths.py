"""Values deep in a struct, by a path such as `rules[].className`: for Python, and the same for the API server in CEL."""

from collections.abc import Callable, Iterator
from typing import Any

from w2s_api.spec.base import Struct, attribute_of

Place = tuple[str | int, ...]


def values_at(struct: Struct, path: str) -> Iterator[tuple[Place, Any]]:
    """Each value at a path, with its place; fields that are left out have none.

    Args:
        struct: where the path begins.
        path: camelCase fields joined by dots; `[]` after one that is a list.
    """
    step, _, rest = path.partition(".")
    name = step.removesuffix("[]")
    value = getattr(struct, attribute_of(type(struct), name))
    if value is None:
        return
    parts = (
        [((name, index), part) for index, part in enumerate(value)]
        if step.endswith("[]")
        else [((name,), value)]
    )
    for place, part in parts:
        if rest:
            yield from (((*place, *below), deep) for below, deep in values_at(part, rest))
        else:
            yield place, part


def cel_for_all(start: str, path: str, holds: Callable[[str], str], names: str = "xyz") -> str:
    """The CEL expression that something holds for each value at a path.

    Args:
        start: the expression of the struct where the path begins.
        path: as of `values_at`.
        holds: the condition on a value, from its expression.
        names: of the variables, one letter for each list on the way.
    """
    step, _, rest = path.partition(".")
    here = f"{start}.{step.removesuffix('[]')}"
    if not step.endswith("[]"):
        return f"!has({here}) || ({cel_for_all(here, rest, holds, names)})" if rest else holds(here)
    inner = cel_for_all(names[0], rest, holds, names[1:]) if rest else holds(names[0])
    return f"!has({here}) || {here}.all({names[0]}, {inner})"
