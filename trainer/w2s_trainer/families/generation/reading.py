"""What a model reads of rows: the task's template, with the text and the other fields of each row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from w2s_api.input_template import TEXT, TEXT_ALONE, filled
from w2s_api.spec.task import Task
from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.errors import BadData
from w2s_trainer.models.causal import CausalModel, CutTexts
from w2s_trainer.models.tokens import Tokens, tokenize


def template_of(task: Task) -> str:
    """The template of a task."""
    return task.generation.prompt if task.generation else TEXT_ALONE


def read_by(model: CausalModel, task: Task, texts: Sequence[str], max_tokens: int) -> Sequence[str]:
    """What a model reads of n texts and the fields beside them, each cut at max_tokens tokens."""
    return _read(task, texts, lambda values: model.cut(values, max_tokens)[0])


def read_at_endpoint(task: Task, texts: Sequence[str], max_characters: int) -> Sequence[str]:
    """What a model behind an endpoint reads of n texts and the fields beside them, each cut at characters."""
    return _read(task, texts, lambda values: CutTexts(values, np.full(len(values), max_characters)))


def tokens_of(tokenizer: Any, task: Task, texts: Sequence[str], max_tokens: int) -> Tokens:
    """What a model reads of n texts. A text is truncated where it is cut, or one of the fields beside it."""
    tokens = tokenize(tokenizer, texts, max_tokens)
    if not task.inputs:
        return tokens
    columns = _columns(task, texts)
    cut = [CausalModel(None, tokenizer, "cpu").cut(values, max_tokens)[1] for values in columns.values()]
    return replace(tokens, truncated=int(np.logical_or.reduce(cut).sum()))


class _Rendered(Sequence[str]):
    """A template with the values of n rows; each is made when it is asked for."""

    def __init__(self, template: str, columns: Mapping[str, Sequence[str]]) -> None:
        self._template = template
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[TEXT])

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "_Rendered": ...
    def __getitem__(self, place: int | slice) -> "str | _Rendered":
        if isinstance(place, slice):
            return _Rendered(self._template, {name: values[place] for name, values in self._columns.items()})
        return self._of({name: values[place] for name, values in self._columns.items()})

    def __iter__(self) -> Iterator[str]:
        names = tuple(self._columns)
        for values in zip(*self._columns.values(), strict=True):
            yield self._of(dict(zip(names, values, strict=True)))

    def _of(self, row: Mapping[str, str]) -> str:
        return filled(self._template, lambda name: row[name].strip())


def _read(task: Task, texts: Sequence[str], cut: Callable[[Sequence[str]], Sequence[str]]) -> Sequence[str]:
    if template_of(task) == TEXT_ALONE:
        return cut(texts)
    return _Rendered(template_of(task), {name: cut(values) for name, values in _columns(task, texts).items()})


def _columns(task: Task, texts: Sequence[str]) -> dict[str, Sequence[str]]:
    beside = fields_beside(texts)
    if missing := [name for name in task.inputs if name not in beside]:
        raise BadData(
            "InputFieldMissing",
            f"The model reads {', '.join(f'`{name}`' for name in missing)} beside each text, and there is none.",
            "Give rows that have these fields.",
        )
    return {TEXT: texts, **{name: beside[name] for name in task.inputs}}
