"""`retention`: what the model that is published forgot of what the strong model could before (docs/protocol.md, Retention)."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from w2s_api.families import FAMILIES
from w2s_api.spec.job import Spec
from w2s_api.spec.retention import Retention
from w2s_api.stage import Stage
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.stages.retention.answering import Answers, answer, prompts_of
from w2s_trainer.stages.retention.comparison import compared
from w2s_trainer.stages.retention.items import Item, items_of
from w2s_trainer.stages.retention.losses import losses
from w2s_trainer.stages.retention.models import before, check_base, tuned
from w2s_trainer.stages.retention.texts import check_texts, read_texts
from w2s_trainer.stages.tables import write_table
from w2s_trainer.store.objects import Objects
from w2s_trainer.tuning.language_model import LanguageModel

BOOTSTRAP_SEED = 0
ITEMS = "items.parquet"


def run(context: StageContext) -> StageResult:
    """Asks both models for the same tokens of the same texts, one model after the other.

    Raises:
        BadData: the texts cannot be read, or too few of them can be measured on.
        BadSpec: the strong model has no output layer of its pretraining, or a model's outputs are no numbers.
        OwnFault: memory ran out.
    """
    settings = context.spec.evaluation.retention
    assert settings is not None
    began = time.monotonic()
    read = read_texts(context, settings)
    base = before(context)
    items, too_short = items_of(base, read.texts, settings)
    nats, said = {}, {}
    device = base.device
    nats["base"], said["base"] = _asked(context, settings, base, items, "the model before")
    del base
    nats["tuned"], said["tuned"] = _asked(context, settings, tuned(context), items, "the tuned model")
    tokens = np.array([len(item.asked.targets) for item in items], dtype=np.int64)
    sizes = np.array([item.bytes for item in items], dtype=np.int64)
    columns = {
        "sha256": [item.digest for item in items],
        "tokens": tokens,
        "bytes": sizes,
        **{f"{name}Nats": of_items for name, of_items in nats.items()},
    }
    write_table(columns, context.output / ITEMS)
    changed = compared(nats["base"], nats["tuned"], tokens, sizes, np.random.default_rng(BOOTSTRAP_SEED))
    answers = {name: found.to_json() for name, found in said.items() if found}
    summary: dict[str, Any] = {
        "base": context.spec.strong.model.uri,
        "tuned": "student" if "student" in context.job.stage.roles else context.model.name,
        "objective": "next token" if items[0].causal else "masked tokens",
        "items": len(items),
        "tokens": int(tokens.sum()),
        "bytes": int(sizes.sum()),
        "leftOut": {**read.left_out, "tooShort": too_short},
        **changed,
        **({"answers": answers} if answers else {}),
        "device": device,
        "seconds": round(time.monotonic() - began, 1),
    }
    return StageResult(summary, figures(summary))


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the last words tell of what was forgotten, whichever job measured it."""
    return {"items": summary["items"], "forgetting": summary["forgetting"]["estimate"]}


def check(spec: Spec, _stage: Stage, objects: Objects, cache: Path) -> None:
    """What `prepare` can know before a GPU is asked for.

    Raises:
        BadSpec, BadData: forgetting could not be measured.
    """
    settings = spec.evaluation.retention
    assert settings is not None
    check_texts(spec.data, settings, objects, cache)
    check_base(spec, objects, cache)


def _asked(
    context: StageContext, settings: Retention, model: LanguageModel, items: list[Item], who: str
) -> "tuple[np.ndarray[Any, np.dtype[np.float64]], Answers | None]":
    """What one model says: nats float64[n] of the items, and its answers, where the task writes."""
    batch_tokens = context.spec.strong.batch_tokens
    nats = losses(model, items, batch_tokens, partial(context.progress, f"asking {who}"))
    if not FAMILIES[context.spec.task.type].writes:
        return nats, None
    return nats, answer(
        model,
        prompts_of(settings),
        settings.max_new_tokens,
        batch_tokens,
        partial(context.progress, f"{who} answers"),
    )
