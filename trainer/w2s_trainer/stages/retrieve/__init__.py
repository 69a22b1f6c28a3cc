"""`retrieve`: passages are put beside the texts, for tasks whose prompts hold some (RAFT; docs/protocol.md)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from w2s_api.spec.passages import Passages
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.stages.prepare.usable import SourceReader
from w2s_trainer.stages.retrieve.passages import UNKNOWN, PassageSet, passages_of, require_enough
from w2s_trainer.stages.retrieve.prompts import Chosen, choose, recall
from w2s_trainer.stages.retrieve.write import write
from w2s_trainer.stages.tables import Examples, read_examples, unread


def run(context: StageContext) -> StageResult:
    """Retrieves passages for every row by the features of a model, and writes the rows with them.

    Raises:
        BadData: there are no passages, or fewer than a prompt is to hold; further ones cannot be read.
        BadSpec: the model cannot be read.
        OwnFault: memory ran out.
    """
    spec, progress = context.spec, context.progress
    settings = spec.task.passages
    assert settings is not None
    before = context.artifact("examples")
    examples = read_examples(before, context.scratch)
    is_test = examples.parts == "test"
    passages = passages_of(
        list(fields_beside(examples.texts)[settings.oracle]),
        list(_more(context, settings)),
        is_test,
        spec.data.near_duplicates,
    )
    require_enough(passages, examples.families, settings.count)
    encoder = load_encoder(context.model.directory, context.model.name)
    read = partial(encoder.features, max_tokens=spec.strong.max_tokens, batch_tokens=spec.strong.batch_tokens)
    rows, _ = read(list(examples.texts), progress=partial(progress, "reading texts"))
    places, tokens = read(list(passages.texts), progress=partial(progress, "reading passages"))
    if caution := tokens.caution(context.model.name):
        progress.note(caution)
    chosen = choose(
        passages,
        rows,
        places,
        rows[examples.rows("pool", "budget")].mean(axis=0),
        ids=list(examples.ids),
        is_test=is_test,
        families=examples.families,
        count=settings.count,
        oracle_share=float(settings.oracle_share),
        progress=partial(progress, "retrieving"),
    )
    asked_again = np.flatnonzero(is_test & (passages.oracle != UNKNOWN))
    write(
        examples,
        passages,
        chosen.numbers,
        asked_again,
        spec.task.inputs,
        before,
        context.output,
        context.scratch,
    )
    summary = {
        **summary_of(examples, passages, chosen, settings.count),
        "model": context.model.name,
        "truncated": tokens.truncated,
        **unread(len(tokens.unreadable)),
    }
    _tell(context, summary)
    found = summary["test"]["recall"]
    return StageResult(summary, {"passages": len(passages.texts), **({"recall": found} if found else {})})


def summary_of(examples: Examples, passages: PassageSet, chosen: Chosen, count: int) -> dict[str, Any]:
    """The summary of the artifact: passages, and of each part how many prompts hold what."""
    known = passages.oracle != UNKNOWN
    of_test = known & passages.of_test[passages.oracle]
    shown = np.array(
        [int(oracle) in some for oracle, some in zip(passages.oracle, chosen.numbers, strict=True)]
    )
    rows: dict[str, Any] = {}
    for part in ("pool", "budget"):
        mine = examples.parts == part
        rows[part] = {
            "withOracle": int((mine & shown).sum()),
            "distractorsAlone": int((mine & known & ~of_test & ~shown).sum()),
            "oracleOfTest": int((mine & of_test).sum()),
            "oracleUnknown": int((mine & ~known).sum()),
        }
    test = examples.parts == "test"
    return {
        "passages": len(passages.texts),
        "ofTest": int(passages.of_test.sum()),
        "count": count,
        **rows,
        "test": {
            "oracleKnown": int((test & known).sum()),
            "oracleUnknown": int((test & ~known).sum()),
            "recall": recall(chosen.ranks, count),
        },
    }


def _more(context: StageContext, settings: Passages) -> Iterator[str]:
    """Further passages, as the texts of rows."""
    if settings.more is None:
        return
    uri = settings.more.uri
    reader = SourceReader.beside(uri, context.spec.data.fields, context.objects)
    for example in reader.examples(context.objects, context.scratch):
        yield example.text
    passed = f"; {len(reader.quarantine):,} rows cannot be used" if reader.quarantine else ""
    context.progress.note(f"Read passages of {uri}{passed}")


def _tell(context: StageContext, summary: dict[str, Any]) -> None:
    note = context.progress.note
    note(f"{summary['passages']:,} passages, {summary['count']} in a prompt")
    for part in ("pool", "budget"):
        counts = summary[part]
        if counts["oracleOfTest"]:
            note(
                f"Warning: {counts['oracleOfTest']:,} rows of the {part} have the passage of a test row, and are shown"
                " distractors alone. Name the document in `data.fields.group`"
            )
        rows = sum(counts.values())
        if rows and not counts["withOracle"]:
            note(
                f"Warning: no prompt of the {part} holds the passage in which the answer stands: of {rows:,} rows"
                f" {counts['oracleUnknown']:,} come with none"
            )
    for k, share in summary["test"]["recall"].items():
        note(f"Recall at {k}: {share:.1%} of {summary['test']['oracleKnown']:,} test rows")
