"""Reads manifests: YAML to checked models, with the line of every mistake."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from w2s_api.spec.job import WeakToStrongJob
from w2s_api.validation import Problem, dotted, validate
from w2s_api.warnings import warnings
from w2s_cli.kubernetes_json import json_documents
from w2s_cli.kubernetes_yaml import Loader, plain_scalar, repeated_keys, scalar_value, too_deep


@dataclass(frozen=True)
class Checked:
    """One document of a manifest file."""

    job: WeakToStrongJob | None
    complaints: list[str]
    """One line each, ready to print."""
    doubts: list[str] = field(default_factory=list)
    """What is valid and was surely not meant: one line each, ready to print."""


def read_manifests(path: Path) -> list[Checked]:
    """Every object of a manifest file, checked: YAML or JSON, in several documents, or in a List."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [Checked(None, [f"{path}: there is no such file"])]
    except UnicodeDecodeError as error:
        return [Checked(None, [f"{path}: not UTF-8 text (byte {error.start:,})"])]
    except OSError as error:
        return [Checked(None, [f"{path}: cannot be read: {error.strerror}"])]
    try:
        objects = [pair for part in json_documents(text) or [text] for pair in _objects(part)]
    except TooDeep:
        return [Checked(None, [f"{path}: nested too deeply to be a manifest"])]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return [Checked(None, [f"{where}: not YAML: {error.problem or error.context}"])]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return [Checked(None, [f"{path}: not YAML: {' '.join(str(error).split())}"])]
    if not objects:
        return [Checked(None, [f"{path}: holds no manifest"])]
    return [_checked(path, node, document) for node, document in objects]


class TooDeep(ValueError):
    """Nested so deeply that loading it could end the process."""


def _objects(text: str) -> Iterator[tuple[Any, Any]]:
    """(node, value) of every object in the documents of a YAML text."""
    if too_deep(text):
        raise TooDeep
    nodes = yaml.compose_all(text, Loader=Loader)
    documents = yaml.load_all(text, Loader=Loader)
    for node, document in zip(nodes, documents, strict=True):
        if document is not None:  # nothing, or comments alone, between two ---
            yield from _listed(node, document)


def _listed(node: Any, document: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the items of a List, as `kubectl get -o yaml` writes several objects; any other object as it is."""
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list) or not str(document.get("kind")).endswith("List"):
        yield node, document
        return
    field_of_items = next(_child(node, "items"), None)
    assert field_of_items is not None, "a document has the fields that its nodes have"
    for item, value in zip(field_of_items[1].value, items, strict=True):
        yield from _listed(item, value)


def _checked(path: Path, node: Any, document: Any) -> Checked:
    job, problems = validate(document, lambda place: _as_written(node, place))
    mistakes = [(line, f"{dotted(place)}: given twice") for place, line in repeated_keys(node)]
    mistakes += [(_line(node, problem), str(problem)) for problem in problems]
    mistakes.sort(key=lambda mistake: mistake[0])
    complaints = [f"{path}:{line}: {message}" for line, message in mistakes]
    if complaints or job is None:
        return Checked(None, complaints)
    doubts = [f"{path}:{_line(node, doubt)}: warning: {doubt}" for doubt in warnings(job.spec)]
    return Checked(job, [], doubts)


def _line(node: Any, problem: Problem) -> int:
    """Returns the line of the deepest part of a problem's path that the file has."""
    line = node.start_mark.line + 1
    for part in problem.path:
        child = next(_child(node, part), None)
        if child is None:
            break
        key, node = child
        line = key.start_mark.line + 1
    return int(line)


def _as_written(node: Any, path: tuple[str | int, ...]) -> str | None:
    """Returns how the scalar at a path is written; at a path that ends in `[key]`, the key."""
    key = None
    for part in path:
        if part == "[key]":
            return plain_scalar(key)
        child = next(_child(node, part), None)
        if child is None:
            return None
        key, node = child
    return plain_scalar(node)


def _child(node: Any, part: str | int) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and part in (key.value, str(scalar_value(key))):
                yield key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part], node.value[part]
