"""The summary of a `label` artifact, whether it was made in one piece or in shards. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_trainer.stages.label.remote.figures import joined
from w2s_trainer.tally import added


def whole_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Joins the summaries of all shards: counts and costs are added up, what every shard says alike is kept."""
    shards = summary.get("shards")
    if shards is None:
        return dict(summary)
    together = dict(shards[0])
    for count in {"rows", "abstained", "orderSensitive"} & set(together):
        together[count] = sum(shard[count] for shard in shards)
    if "tuned" in together:
        together["tuned"] = {seed: _costs(seed, shards) for seed in together["tuned"]}
    if "votes" in together:
        together["votes"] = {
            seed: added([shard["votes"][seed] for shard in shards]) for seed in together["votes"]
        }
    if "written" in together:
        together["written"] = {
            seed: {count: sum(shard["written"][seed][count] for shard in shards) for count in counts}
            for seed, counts in together["written"].items()
        }
    if "softTargets" in together:
        together["softTargets"] = {
            seed: _top_tokens([shard["softTargets"][seed] for shard in shards])
            for seed in together["softTargets"]
        }
    if "asked" in together:
        together["asked"] = {
            seed: joined([shard["asked"][seed] for shard in shards]) for seed in together["asked"]
        }
    if "functions" in together:
        together["functions"] = {
            seed: _functions([shard["functions"][seed] for shard in shards]) for seed in together["functions"]
        }
    # A head reads the features of all texts in each shard, every other labeler only its own.
    on_features = "l2" in together
    for count in ("truncated", "unreadable"):
        counted = [shard.get(count, 0) for shard in shards]
        whole = counted[0] if on_features else sum(counted)
        if count in together or whole:
            together[count] = whole
    return together


def _top_tokens(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mass of the tokens that are not kept, over the places of all shards."""
    places = sum(shard["places"] for shard in shards)
    rest = sum(shard["restMass"] * shard["places"] for shard in shards if shard["places"])
    return {**shards[0], "places": places, "restMass": round(rest / places, 6) if places else None}


def _functions(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of a user's functions added up, and of how many versions of the code they are."""
    errors: dict[str, dict[str, Any]] = {}
    for shard in shards:
        for name, error in shard["errors"].items():
            known = errors.setdefault(name, {**error, "texts": 0})
            known["texts"] += error["texts"]
    return {
        "code": shards[0]["code"],
        "codes": len({shard["code"] for shard in shards}),
        "texts": sum(shard["texts"] for shard in shards),
        **{
            counts: {name: sum(shard[counts][name] for shard in shards) for name in shards[0][counts]}
            for counts in ("votes", "classes")
        },
        "errors": errors,
    }


def _costs(seed: str, shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each shard tunes the same model for itself, and each costs."""
    costs = [shard["tuned"][seed] for shard in shards]
    joules = [cost["joules"] for cost in costs]
    return {
        **costs[0],
        "seconds": round(sum(cost["seconds"] for cost in costs), 1),
        "joules": None if None in joules else sum(joules),
    }
