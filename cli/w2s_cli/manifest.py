"""Reads manifests: YAML to checked models, with the line of every mistake."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from w2s_api.spec import WeakToStrongJob
from w2s_api.validation import Problem, dotted, validate
from w2s_cli.kubernetes_yaml import Loader, repeated_keys, too_deep


@dataclass(frozen=True)
class Checked:
    """One document of a manifest file."""

    job: WeakToStrongJob | None
    complaints: list[str]
    """One line each, ready to print."""


def read_manifests(path: Path) -> list[Checked]:
    """Every document of a YAML file, checked."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [Checked(None, [f"{path}: there is no such file"])]
    except UnicodeDecodeError as error:
        return [Checked(None, [f"{path}: not UTF-8 text (byte {error.start:,})"])]
    except OSError as error:
        return [Checked(None, [f"{path}: cannot be read: {error.strerror}"])]
    try:
        if too_deep(text):
            return [Checked(None, [f"{path}: nested too deeply to be a manifest"])]
        nodes = [node for node in yaml.compose_all(text, Loader=Loader) if node is not None]
        documents = [document for document in yaml.load_all(text, Loader=Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return [Checked(None, [f"{where}: not YAML: {error.problem or error.context}"])]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return [Checked(None, [f"{path}: not YAML: {' '.join(str(error).split())}"])]
    if not documents:
        return [Checked(None, [f"{path}: holds no manifest"])]
    checked = []
    for node, document in zip(nodes, documents, strict=True):
        job, problems = validate(document)
        found = [(line, f"{dotted(place)}: given twice") for place, line in repeated_keys(node)]
        found += [(_line(node, problem), str(problem)) for problem in problems]
        found.sort(key=lambda one: one[0])
        complaints = [f"{path}:{line}: {said}" for line, said in found]
        checked.append(Checked(None if complaints else job, complaints))
    return checked


def _line(node: Any, problem: Problem) -> int:
    """The line of the deepest part of a problem's path that the file has."""
    line = node.start_mark.line + 1
    for part in problem.path:
        found = next(_child(node, part), None)
        if found is None:
            break
        key, node = found
        line = key.start_mark.line + 1
    return int(line)


def _child(node: Any, part: str | int) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                yield key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part], node.value[part]
