"""The steps of the synthesis: one module of this package for each of `w2s_api.methods.synthesis_steps`, called as that of its
settings.

A module has the function `make`; it may have `check`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from w2s_api.methods.synthesis_steps import SynthesisSettings
from w2s_trainer.contract.context import StageContext
from w2s_trainer.methods import implementation
from w2s_trainer.stages.synthesise.pairs import Document, Pair


@dataclass(frozen=True)
class Made:
    """What a step made of the documents."""

    pairs: list[Pair]
    dropped: Mapping[str, int]
    """How many it did not keep, by why."""


class Documents(Protocol):
    """The texts of the pool, in order; none is held."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Document]:
        """Each in its turn."""


class Make(Protocol):
    """A step of the synthesis."""

    def __call__(self, settings: Any, documents: Documents, size: int, context: StageContext) -> Made:
        """Makes pairs.

        Args:
            settings: of the step.
            documents: of the pool.
            size: characters of a passage.
            context: of the stage.
        """


def make_of(settings: SynthesisSettings) -> Make:
    """The implementation of a step."""
    return implementation(__package__, type(settings)).make  # type: ignore[no-any-return]


def check(settings: SynthesisSettings, path: str) -> None:
    """What can be refused before anything runs.

    Args:
        settings: of a step.
        path: of them in the manifest, for errors.

    Raises:
        BadSpec: the step could not work.
    """
    module = implementation(__package__, type(settings))
    if hasattr(module, "check"):
        module.check(settings, path)
