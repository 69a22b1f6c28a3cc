"""What of a spec several stages depend on: the same words in the inputs of all of them, and so in their keys."""

from collections.abc import Mapping
from typing import Any

from w2s_api.arms import LearnsFrom
from w2s_api.families import family_of
from w2s_api.methods.losses import CrossEntropy
from w2s_api.spec.base import Struct
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_api.stage import Role

TRAINING_ROLES: Mapping[LearnsFrom, Mapping[Role, tuple[str, ...]]] = {
    LearnsFrom.SELECTED_LABELS: {"labels": ("aggregate",), "selection": ("select",)},
    LearnsFrom.ALL_LABELS: {"labels": ("aggregate",)},
    LearnsFrom.GOLD_BUDGET: {},
    LearnsFrom.GOLD_POOL: {"selection": ("select",)},
}
"""What an arm learns from is read from these, beside the examples; of the selection, the ceiling needs the number of rows."""


def settings_of(struct: Struct, without: Any) -> dict[str, Any]:
    """What the manifest says of a struct, apart from defaults and some fields."""
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=without)


def unless_default(struct: Struct, name: str) -> Any:
    """The value of a field; None for the default, which is left out of keys."""
    value = getattr(struct, name)
    return None if value == type(struct).model_fields[name].get_default(call_default_factory=True) else value


def taught_inputs(task: Task) -> Mapping[str, Any]:
    """What of the task a tuned model's answers depend on: where it learns to write, it is asked."""
    family = family_of(task)
    return family.question_inputs(task) if family.writes else family.label_inputs(task)


def head_settings(strong: Strong) -> dict[str, Any]:
    """What a head of the student's strength on the frozen model depends on, whatever it is taught."""
    return {
        "model": strong.model,
        "maxTokens": unless_default(strong, "max_tokens"),
        "tuning": {"head": strong.tuning.head},
    }


def frozen_settings(strong: Strong) -> dict[str, Any]:
    """What a head on the frozen model depends on, whatever is tuned beside it."""
    return {
        **head_settings(strong),
        "loss": {"crossEntropy": strong.loss.given(CrossEntropy)},
    }
