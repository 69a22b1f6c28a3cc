"""What differs between kinds of task: one package for each that `w2s_api.families` declares, called after it.

A package has one class, `Family`, a `TaskFamily`. Stages ask it and know no kind of task themselves.
"""

import importlib
from typing import TYPE_CHECKING

from w2s_api.families import FAMILIES
from w2s_trainer.families.task_family import TaskFamily

if TYPE_CHECKING:
    from w2s_api.spec.job import Spec

__all__ = ["TaskFamily", "family_class", "family_of"]


def family_of(spec: "Spec") -> TaskFamily:
    """The family of a spec's task, bound to it."""
    return family_class(spec.task.type).of(spec)


def family_class(name: str) -> type[TaskFamily]:
    """Returns the implementation of a declared kind of task.

    Raises:
        KeyError: none is declared by that name.
    """
    module = importlib.import_module(f"{__name__}.{FAMILIES[name].name.lower()}")
    family: type[TaskFamily] = module.Family
    return family
