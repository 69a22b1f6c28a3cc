"""What child Jobs are made with, beside what the key of their stage covers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from w2s_api.keys import digest
from w2s_api.names import StageKind
from w2s_api.spec.job import Spec
from w2s_api.spec.pods import KeySelector, LocalObject, PodSettings
from w2s_api.spec.storage import Storage


@dataclass(frozen=True)
class Defaults:
    """What the operator gives to pods of manifests that say nothing."""

    image: str
    user: int | None = 65532
    """User and group that pods run as. None leaves them to the namespace, as OpenShift wants it."""
    shared_memory: str = "1Gi"
    grace_seconds: int = 60
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the namespaces of jobs."""


@dataclass(frozen=True)
class ChildSettings:
    """The settings of child Jobs of one kind of stage, with every default filled in."""

    pods: PodSettings
    storage: Storage
    credentials: str | None
    """Name of the Secret."""
    queue: str | None
    user: int | None
    secrets: Mapping[str, Mapping[str, KeySelector]] = field(default_factory=dict)
    """Variables from Secrets by labeler, each for the pods of that labeler alone; only of the kind `label`."""

    @classmethod
    def of(cls, spec: Spec, kind: StageKind, defaults: Defaults) -> Self:
        """The settings of a kind of stage."""
        pods = spec.pods.of(kind)
        own = spec.evaluation.credentials_secret_ref if kind == "evaluate" else None
        credentials = own or spec.storage.credentials_secret_ref
        return cls(
            pods=pods.model_copy(
                update={
                    "image": pods.image or defaults.image,
                    "shared_memory": pods.shared_memory or defaults.shared_memory,
                    "termination_grace_period_seconds": pods.termination_grace_period_seconds
                    or defaults.grace_seconds,
                    "image_pull_secrets": _pull_secrets(pods, defaults),
                }
            ),
            storage=spec.storage,
            credentials=credentials.name if credentials else None,
            queue=pods.queue_name or spec.execution.queue_name,
            user=defaults.user,
            secrets=_secrets(spec) if kind == "label" else {},
        )

    def hash(self) -> str:
        """The hash of all settings: a run that waits is made again when they change.

        Fields that have their default value do not enter, so that an upgrade that adds one changes no hash.
        """
        plain: dict[str, Any] = {
            "pods": _plain(self.pods, {"queue_name"}),
            "storage": _plain(self.storage, {"credentials_secret_ref"}),
            "credentials": self.credentials,
            "queue": self.queue,
            "user": self.user,
            "secrets": {
                labeler: {name: reference.model_dump(mode="json") for name, reference in variables.items()}
                for labeler, variables in self.secrets.items()
            }
            or None,
        }
        return digest({name: value for name, value in plain.items() if value is not None})


def settings_hash(spec: Spec, kind: StageKind, defaults: Defaults) -> str:
    """Hash of what the Job of a kind of stage gets from settings of pods, storage and queue."""
    return ChildSettings.of(spec, kind, defaults).hash()


def _secrets(spec: Spec) -> dict[str, Mapping[str, KeySelector]]:
    named = {labeler.name: labeler.settings.secrets() for labeler in spec.weak.labelers}
    return {name: variables for name, variables in named.items() if variables}


def _pull_secrets(pods: PodSettings, defaults: Defaults) -> list[LocalObject] | None:
    """An empty list in a manifest is an answer too."""
    if pods.image_pull_secrets is not None or not defaults.image_pull_secrets:
        return pods.image_pull_secrets
    return [LocalObject(name=name) for name in defaults.image_pull_secrets]


def _plain(struct: PodSettings | Storage, without: set[str]) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=without)
