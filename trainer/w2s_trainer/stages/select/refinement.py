"""Selection `Refinement`: written texts are edited by declared operations, and every edit is recorded.

After ProX (Zhou et al. 2024, arXiv 2409.17115), where programs of such operations refine single examples of a corpus. Here
the operations stand in the manifest; patterns are RE2's, so that none can hang.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from w2s_api.methods.selection_steps import Refinement
from w2s_api.methods.selection_steps.refinement import Edit
from w2s_api.rule_template import filled
from w2s_api.validation import dotted
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.functions import compile_for_plain_text
from w2s_trainer.stages.select.methods import Candidates, Edited, Kept
from w2s_trainer.stages.select.written import beside_sources

Operation = Callable[[str], str]
"""What makes of a text another one."""


def select(settings: Refinement, candidates: Candidates) -> Kept:
    """Edits the candidates' texts, and drops those of which nothing is left."""
    operations = operations_of(settings)
    edits: list[Edited] = []
    left = np.ones(len(candidates.rows), dtype=bool)
    for position, (text, _) in enumerate(beside_sources(candidates, "editing texts")):
        for edit, operation in enumerate(operations):
            after = operation(text).strip()
            if after != text:
                edits.append(Edited(position, edit, settings.edits[edit].type, text, after))
                text = after
        left[position] = bool(text)
    figures = {
        "edited": len({one.position for one in edits}),
        "edits": [
            {"type": edit.type, "texts": sum(one.edit == place for one in edits)}
            for place, edit in enumerate(settings.edits)
        ],
        "dropped": {"emptied": int((~left).sum())},
    }
    return Kept(np.flatnonzero(left), candidates.weights[left], figures, edits=edits)


def check(settings: Refinement, path: str) -> None:
    """Raises BadSpec if a pattern does not compile; `path` is that of the settings in the manifest."""
    operations_of(settings, path)


def operations_of(settings: Refinement, path: str = "refinement") -> Sequence[Operation]:
    """What the edits do, one a declared edit.

    Args:
        settings: of the step.
        path: of them in the manifest, for errors.

    Raises:
        BadSpec: a pattern is not a regular expression, or a replacement names no group of its pattern.
    """
    for below, fault in settings.mistakes():
        raise BadSpec(
            "BadTemplate",
            f"{dotted((path, *below))}: {fault}.",
            "Name a group of the pattern, as in `pattern: 'v([0-9.]+)'` and `replacement: 'version {1}'`.",
        )
    return [_operation(edit, f"{path}.edits[{place}]") for place, edit in enumerate(settings.edits)]


def _operation(edit: Edit, path: str) -> Operation:
    pattern = compile_for_plain_text(edit.pattern, f"{path}.pattern")
    match edit.type:
        case "DropLine":
            return lambda text: "".join(
                line for line in text.splitlines(keepends=True) if not pattern.search(line.rstrip("\r\n"))
            )
        case "Cut":
            return lambda text: next((text[: found.start()] for found in _matches(pattern, text)), text)
        case "Remove":
            return lambda text: _replaced(pattern, text, "")
        case "Replace":
            return lambda text: _replaced(pattern, text, edit.replacement or "")


def _matches(pattern: Any, text: str) -> Any:
    """Matches of at least one character, in order."""
    return (found for found in pattern.finditer(text) if found.end() > found.start())


def _replaced(pattern: Any, text: str, template: str) -> str:
    pieces, end = [], 0
    for found in _matches(pattern, text):
        pieces += [text[end : found.start()], filled(template, partial(_group, found))]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _group(found: Any, name: str) -> str:
    return found.group(int(name) if name.isdecimal() else name) or ""
