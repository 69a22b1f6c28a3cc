"""The summary of a `label` artifact, whether it was made in one piece or in shards. Pure."""

from collections.abc import Mapping
from typing import Any


def whole_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """One summary of all shards: counts are added up, what every shard says alike is kept."""
    shards = summary.get("shards")
    if shards is None:
        return dict(summary)
    together = dict(shards[0])
    for count in {"rows", "abstained", "unsteady"} & set(together):
        together[count] = sum(shard[count] for shard in shards)
    # A head reads the features of all texts in each shard, a classifier only its own.
    counted = [shard["truncated"] for shard in shards]
    together["truncated"] = counted[0] if together["type"] == "Finetuned" else sum(counted)
    return together
