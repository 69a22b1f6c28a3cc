"""YAML as kubectl reads it, which is not as PyYAML does: `n` is false, a date is a string, 1e3 is a number."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_WORDS = r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|y|Y|n|N"
_INTEGER = r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)"
_DECIMAL = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_RESOLVERS: dict[str, tuple[str, list[str]]] = {
    "bool": (_WORDS, list("yYnNtTfFoO")),
    "int": (_INTEGER, list("-+0123456789")),
    "float": (_DECIMAL + r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.0123456789")),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", ["<"]),
}
"""Pattern and first characters of the scalars that are no strings."""


class Loader(_BASE):  # type: ignore[misc]  # whichever of the two there is
    """A safe loader with the scalars of sigs.k8s.io/yaml, which kubectl and the API server use."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own attribute


def _boolean(written: str) -> bool:
    return written.lower() in ("y", "yes", "true", "on")


def _integer(written: str) -> int:
    digits = written.replace("_", "")
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
    return int(f"{octal[1]}0o{octal[2]}" if octal else digits, 0)


def _number(written: str) -> float | int:
    value = float(re.sub(r"\.(inf|nan)$", r"\1", written.lower()))
    return int(value) if value.is_integer() else value  # on its way through JSON, 3.0 becomes 3


_VALUES: dict[str, Callable[[str], Any]] = {
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "null": lambda _written: None,
}
"""What a scalar of a type is read as."""


def _construct(loader: Any, node: Any) -> Any:
    return _VALUES[node.tag.removeprefix(_TAG)](str(loader.construct_scalar(node)))


for _name, (_pattern, _first) in _RESOLVERS.items():
    Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)
for _name in _VALUES:
    Loader.add_constructor(_TAG + _name, _construct)


def plain_scalar(node: Any) -> str | None:
    """A scalar as it is written, where YAML reads something else than a string; None of anything else."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _TAG + "str":
        return None
    return str(node.value)


def scalar_value(node: Any) -> Any:
    """What YAML reads a scalar as."""
    read = _VALUES.get(str(node.tag).removeprefix(_TAG))
    return read(str(node.value)) if read else node.value


def too_deep(text: str, most: int = 100) -> bool:
    """Whether it is nested so deeply that loading it could end the process (loaders recurse in C)."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > most:
            return True
    return False


def repeated_keys(node: Any) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Keys that a mapping has twice, which kubectl refuses: their path and line (from 1)."""
    walked: set[int] = set()

    def walk(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
        if id(node) in walked:  # an alias
            return
        walked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                name = str(key.value)
                if name in seen:
                    yield (*path, name), key.start_mark.line + 1
                seen.add(name)
                yield from walk(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                yield from walk(item, (*path, place))

    return walk(node, ())
