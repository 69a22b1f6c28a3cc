"""What every method says of itself, and the tables of them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from w2s_api.spec.base import Struct
from w2s_api.spec.data import Source
from w2s_api.spec.model import Model


class Method(Struct):
    """Settings of a method. The class is named as the manifest's `type` names it."""

    version: ClassVar[int] = 1
    """A method whose results change for the same settings gets the next number, and its work is done anew."""
    words: ClassVar[str]
    """What it is, for the description of `type`: a clause without a full stop at its end."""
    field: ClassVar[str] = ""
    """The manifest's name of its settings (camelCase); empty: the name of the class, its first letter small."""
    names_classes: ClassVar[Mapping[str, str]] = {}
    """Where its settings name classes of the task (`rules[].className`), and what is wrong if there is no such class."""
    names_labelers: ClassVar[Mapping[str, str]] = {}
    """Where its settings name labelers, and what is wrong if there is no such labeler."""
    only_for: ClassVar[frozenset[str]] = frozenset()
    """The kinds of task, values of `task.type`, whose labels alone it understands; empty: those of any that knows it."""

    def result_settings(self) -> dict[str, Any]:
        """The settings that its results depend on, without those at their defaults: they are in the key."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def uses(self) -> tuple[type["Method"], ...]:
        """Other methods that take part in its results."""
        return ()

    def models(self) -> Iterator[str]:
        """URIs of the models that it reads: whatever `Model` stands anywhere in its settings."""
        return (model.uri for model in _parts(self, Model))

    def sources(self) -> Iterator[str]:
        """URIs of the data that `prepare` reads for it: whatever `Source` stands anywhere in its settings."""
        return (source.uri for source in _parts(self, Source))


S = TypeVar("S", bound=Struct)
M = TypeVar("M", bound=Method)


def _parts(struct: Struct, wanted: type[S]) -> Iterator[S]:
    for name in type(struct).model_fields:
        value = getattr(struct, name)
        for part in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(part, wanted):
                yield part
            elif isinstance(part, Struct):
                yield from _parts(part, wanted)


def table(*methods: type[M]) -> dict[str, type[M]]:
    """Methods by their names, in the order of the documentation."""
    return {method.__name__: method for method in methods}


def field_of(method: type[Method]) -> str:
    """The manifest's name of a method's settings, camelCase."""
    return method.field or method.__name__[0].lower() + method.__name__[1:]


def module_of(method: type[Method]) -> str:
    """The name of the modules of its settings and of its implementation."""
    return method.__module__.rpartition(".")[2]
