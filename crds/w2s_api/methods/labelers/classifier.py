"""A fine-tuned sequence classification model."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.spec.base import Struct, text
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.trained_on import TrainedOn


class LabelMapping(Struct):
    """The model's own name of a class, and the task's."""

    model_label: Annotated[str, text(128, 1)] = Field(description="The label as the model's config has it.")
    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes` that it means.")


class Classifier(LabelerSettings):
    """A fine-tuned sequence classification model that you have already."""

    version: ClassVar[int] = 2
    words: ClassVar[str] = "a fine-tuned model that you have"
    names_classes: ClassVar[Mapping[str, str]] = {
        "labels[].className": "a label of a classifier is mapped to a class that `task.classes` does not have"
    }

    model: Model = Field(description="The model, in the Hugging Face layout.")
    labels: Annotated[list[LabelMapping], Field(max_length=100)] = Field(
        default_factory=list,
        description="Which label of the model means which class. Default: they are called the same.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["modelLabel"]},
    )
    abstain_on: Annotated[list[Annotated[str, text(128, 1)]], Field(max_length=100)] = Field(
        default_factory=list,
        description="Labels of the model that mean none of the classes. A text where one of them is the likeliest"
        " gets no weak label. Default: a model with such labels is refused.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    trained_on: TrainedOn = Field(
        default_factory=lambda: TrainedOn(type="Unknown"),
        description="What the weak model has seen.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="Texts are cut there; the report counts how many were."
    )

    def result_settings(self) -> dict[str, Any]:
        """What the model has seen decides what leaves the test, not the labels."""
        settings = super().result_settings()
        settings.pop("trainedOn", None)
        settings["labels"] = {
            label.model_label: label.class_name
            for label in self.labels
            if label.model_label != label.class_name
        }
        return settings

    def trained_elsewhere(self) -> TrainedOn:
        """What the model has seen, as the manifest says."""
        return self.trained_on
