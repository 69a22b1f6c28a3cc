"""Texts that rules write: templates with captured groups, `gpl-{version}`. A brace that is meant is written twice.

Groups are those of RE2: `(?P<version>…)` or `(?<version>…)` by name, every `(…)` by its number from 1.
"""

import re
from collections.abc import Callable, Iterator
from string import Formatter

_TOKEN = re.compile(
    r"""(?sx)
    \\Q .*? (?: \\E | $ )
  | \\ .
  | \[ \^? \]? (?: \\ . | \[ : \^? [a-z]+ : \] | [^\]\\] )* \]
  | \( \? P? < (?P<name> [^>]* ) >
  | (?P<plain> \( (?! \? ) )
  | .
    """
)


def groups_of(pattern: str) -> list[str]:
    """The groups of a pattern in order: their names, empty for those without one."""
    found = _TOKEN.finditer(pattern)
    return [token["name"] or "" for token in found if token["name"] or token["plain"]]


def fields_of(template: str) -> list[str]:
    """The groups that a template names, by name or number.

    Raises:
        ValueError: it is no template; says why.
    """
    return [field for _, field in _pieces(template) if field is not None]


def filled(template: str, group: Callable[[str], str]) -> str:
    """A template with each field in the place of its name."""
    return "".join(literal + ("" if field is None else group(field)) for literal, field in _pieces(template))


def fault_of(template: str, pattern: str | None) -> str | None:
    """What is wrong with a template; None if nothing is.

    Args:
        template: of a rule.
        pattern: of the same rule; None for one with keywords, which capture nothing.
    """
    try:
        fields = fields_of(template)
    except ValueError as error:
        return str(error)
    groups = groups_of(pattern or "")
    names = [name for name in groups if name and not name.isdecimal()]
    known = {*names, *(str(number) for number in range(1, len(groups) + 1))}
    for field in fields:
        if field not in known:
            has = f"it has {_listed(names, len(groups))}" if pattern else "keywords capture nothing"
            return f"{{{field}}} is no group of the rule's pattern: {has}"
    return None


def _pieces(template: str) -> Iterator[tuple[str, str | None]]:
    try:
        for literal, field, style, conversion in Formatter().parse(template):
            if style or conversion or field == "":
                raise ValueError
            yield literal, field
    except ValueError:
        raise ValueError(
            "a template names groups as {version} or {1}, and a brace that is meant is written twice: {{ or }}"
        ) from None


def _listed(names: list[str], count: int) -> str:
    if not count:
        return "none"
    numbers = "{1}" if count == 1 else f"{{1}} to {{{count}}}"
    return ", ".join([numbers, *(f"{{{name}}}" for name in names)])
