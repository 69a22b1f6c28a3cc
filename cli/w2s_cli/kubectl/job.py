"""A WeakToStrongJob as the API server gives it, read for the commands. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import ValidationError

from w2s_api.child_jobs import HANDS_OFF_ANNOTATION
from w2s_api.status import StageStatus, Status, condition
from w2s_cli.kubectl.errors import ClusterError, NotThere

Raw = Mapping[str, Any]

_TOOLS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
    "rancher": "Rancher Fleet",
    "fleetagent": "Rancher Fleet",
}
"""Field managers of tools that apply what Git says, by how their names begin."""


@dataclass(frozen=True)
class SeenJob:
    """What the commands want of a job."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: float
    """Seconds since the epoch."""
    changed: float
    """When somebody last changed anything but its status."""
    spec: Raw
    status: Status
    hands_off: bool
    deleting: bool
    gitops: str | None
    """The tool that applied it, if that is known to apply it again."""

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Reads a job of the API server.

        Raises:
            ClusterError: its status is written in a way that this version does not know.
        """
        meta = raw["metadata"]
        annotations = meta.get("annotations") or {}
        try:
            status = Status.model_validate(raw.get("status") or {})
        except ValidationError as error:
            raise ClusterError(
                f"The status of {meta['name']} was written by an operator of another version than this command."
                f" Install the same, or read it by: kubectl get w2s {meta['name']} -n {meta['namespace']} -o yaml"
            ) from error
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            generation=meta["generation"],
            created=seconds_of(meta["creationTimestamp"]),
            changed=max(seconds_of(time) for time in (meta["creationTimestamp"], *_changes(meta))),
            spec=raw["spec"],
            status=status,
            hands_off=annotations.get(HANDS_OFF_ANNOTATION) == "true" or bool(raw["spec"].get("managedBy")),
            deleting="deletionTimestamp" in meta,
            gitops=_gitops(meta),
        )

    @property
    def place(self) -> str:
        """How a command line names it."""
        return f"{self.name} -n {self.namespace}"

    def is_so(self, type_: Any) -> bool:
        """Tells whether a condition is True."""
        state = condition(self.status, type_)
        return state is not None and state.status == "True"

    @property
    def over(self) -> bool:
        """Whether the present spec has come to its end, good or bad."""
        current = self.status.observed_generation == self.generation
        return current and (self.is_so("Complete") or self.is_so("Failed"))

    def stage(self, name: str | None) -> StageStatus:
        """Returns a stage by its name; without a name, the stage that runs, failed, or else ran last.

        Raises:
            NotThere: there is none.
        """
        stages = self.status.stages
        if name is not None:
            named = next((stage for stage in stages if stage.name == name), None)
            if named is None:
                known = ", ".join(stage.name for stage in stages) or "none yet"
                raise NotThere(f"{self.name} has no stage {name}. Its stages: {known}.")
            return named
        if current := next((stage for stage in stages if stage.name == self.status.stage), None):
            return current
        begun = [stage for stage in reversed(stages) if stage.run]
        if not begun:
            raise NotThere(f"No stage of {self.name} has run yet. See: kubectl w2s status {self.place}")
        # A run that came and went unseen has no start, and a long status leaves out the times of what is done.
        return max(begun, key=lambda stage: stage.completion_time or stage.start_time or "")


def seconds_of(time: str) -> float:
    """Returns the seconds since the epoch of an RFC 3339 time; a time without a zone is UTC."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _appliers(meta: Raw) -> Iterator[Raw]:
    """Of `managedFields`, what is not about the status."""
    return (entry for entry in meta.get("managedFields") or () if not entry.get("subresource"))


def _changes(meta: Raw) -> Iterator[str]:
    return (entry["time"] for entry in _appliers(meta) if entry.get("time"))


def _gitops(meta: Raw) -> str | None:
    for entry in _appliers(meta):
        for begin, tool in _TOOLS.items():
            if str(entry.get("manager", "")).startswith(begin):
                return tool
    return None
