"""What an edit of the manifest changes, stage by stage and field by field. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_api.stage import Stage

Plan = dict[str, Any]
"""As it is kept in the store: by stage name {key, inputs, methods, needs, artifact if known}."""


def as_plan(stages: tuple[Stage, ...], artifacts: Mapping[str, str] | None = None) -> Plan:
    """What is kept of a plan, to compare the next one with.

    Args:
        stages: the plan.
        artifacts: content keys of the artifacts that are known, by stage name.
    """
    known = artifacts or {}
    return {
        stage.name: {
            "key": stage.key,
            "inputs": dict(stage.inputs),
            "methods": dict(stage.methods),
            "needs": list(stage.needs),
            **({"artifact": known[stage.name]} if stage.name in known else {}),
        }
        for stage in stages
    }


def changes(before: Plan, stages: tuple[Stage, ...]) -> dict[str, str]:
    """Says why stages are another computation than in the plan before: by stage name, one line.

    Stages that are the same computation are left out.
    """
    reasons: dict[str, str] = {}
    for stage in stages:
        old = before.get(stage.name)
        if old is None:
            reasons[stage.name] = "it is new"
        elif old["key"] != stage.key:
            own = [
                *_differences("", old["inputs"], stage.inputs),
                *_differences("version of ", old["methods"], stage.methods),
            ]
            later = [need for need in stage.needs if need in reasons]
            because = f"{', '.join(later)} changed" if later else "what it reads changed"
            reasons[stage.name] = "; ".join(own) or because
    for name in before.keys() - {stage.name for stage in stages}:
        reasons[name] = "it is gone from the manifest"
    return reasons


def reads_changed(before: Plan, stage: Stage, artifacts: Mapping[str, str]) -> str | None:
    """Why a stage is another computation though its settings and its inputs from the store are the same.

    Args:
        before: the plan before.
        stage: a stage of the plan now.
        artifacts: content keys of this plan's artifacts, that of the stage among them.

    Returns:
        One line that names what changed behind its URI; None if nothing did, or another stage explains it.
    """
    old = before.get(stage.name)
    if not stage.reads or old is None or old["key"] != stage.key or "artifact" not in old:
        return None
    if old["artifact"] == artifacts.get(stage.name):
        return None
    if any(before.get(need, {}).get("artifact") != artifacts.get(need) for need in stage.needs):
        return None
    kinds = {read.what for read in stage.reads}
    what = "the model or the data" if len(kinds) > 1 else "the data" if kinds == {"data"} else "the model"
    return f"{what} changed behind {', '.join(dict.fromkeys(read.uri for read in stage.reads))}"


def _differences(prefix: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        old, new = ({} if side is _DEFAULT else side for side in (old, new))
        names = [*old, *(name for name in new if name not in old)]
        joint = "" if not prefix or prefix.endswith(" ") else "."
        return [
            line
            for name in names
            for line in _differences(
                f"{prefix}{joint}{name}", old.get(name, _DEFAULT), new.get(name, _DEFAULT)
            )
        ]
    if old == new:
        return []
    return [f"{prefix} {_shown(old)} → {_shown(new)}"]


class _Default:
    def __str__(self) -> str:
        return "(default)"


_DEFAULT = _Default()


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
