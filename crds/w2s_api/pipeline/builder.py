"""Puts the stages of a plan together, each with its key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from w2s_api.keys import canonical, stage_key
from w2s_api.methods.method import Method
from w2s_api.names import StageKind
from w2s_api.stage import ModelReference, Read, Role, Stage

VERSIONS: Mapping[str, int] = {
    "prepare": 2,
    "synthesise": 1,
    "retrieve": 1,
    "Temperature": 1,
    "ZeroShot": 1,
    "PoolSample": 1,
    "GoldSchedule": 1,
    "combine": 2,
    "SelfTraining": 1,
    "retention": 1,
    "evaluate": 5,
    "promote": 2,
}
"""Of what has no settings class of its own. What gives other results for the same settings gets the next number, and its
work is done anew; of methods the number stands with their settings (`w2s_api.methods`)."""

FIRST_SEED = 0
"""The seed whose student is published: fixed beforehand, for choosing one on the test would be tuning on it."""


@dataclass
class Builder:
    """The stages so far, by name, each after those it needs."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        name: str,
        kind: StageKind,
        inputs: Mapping[str, Any],
        methods: Iterable[type[Method] | str],
        roles: Mapping[Role, tuple[str, ...]] | None = None,
        model: ModelReference | None = None,
        reads: tuple[Read, ...] = (),
        **more: Any,
    ) -> None:
        """Adds a stage whose needs are there.

        Args:
            name: of the stage.
            kind: its kind.
            inputs: what of the spec its result depends on, by path; None is left out.
            methods: that it uses, whose versions its result depends on.
            roles: names of stages that it reads, by what they are to it.
            model: that it loads.
            reads: URIs that `prepare` resolves beside the model's.
            more: other fields of `Stage`.
        """
        versions = dict(sorted(map(_version, methods)))
        if model and model.uri:
            reads = (*reads, Read(model.uri, "model"))
        if model and model.stage:
            roles = {**(roles or {}), "model": (model.stage,)}
        stage = Stage(
            name, kind, roles or {}, canonical(inputs), versions, key="", model=model, reads=reads, **more
        )
        needs = [(need, self.stages[need].key) for need in stage.needs]
        self.stages[name] = replace(stage, key=stage_key(kind, stage.inputs, versions, needs))

    @property
    def examples(self) -> dict[Role, tuple[str, ...]]:
        """Whose texts are labelled, learnt from and measured on, and who has the experts' labels."""
        texts = [*self.names("prepare"), *self.names("synthesise"), *self.names("retrieve")]
        return {"examples": (texts[-1],), "gold": ("prepare",)}

    def names(self, kind: StageKind) -> tuple[str, ...]:
        """The stages of a kind so far."""
        return tuple(name for name, stage in self.stages.items() if stage.kind == kind)


def _version(method: type[Method] | str) -> tuple[str, int]:
    if isinstance(method, str):
        return method, VERSIONS[method]
    return method.__name__, method.version
