"""Candidates of a task whose texts are written, beside their sources."""

from collections.abc import Iterator

from w2s_trainer.data.inputs import sources_of
from w2s_trainer.stages.select.methods import Candidates

_SAID_EVERY = 1000
"""Texts between two words on the progress."""


def beside_sources(candidates: Candidates, doing: str) -> Iterator[tuple[str, str]]:
    """Yields the text that was written about each candidate, and what it was written about: the text and the fields beside it.

    Args:
        candidates: in their order.
        doing: what is done with them, for the progress.
    """
    count = len(candidates.rows)
    sources = sources_of(candidates.examples.texts.take(candidates.rows))
    for place, pair in enumerate(zip(candidates.targets.tolist(), sources, strict=True)):
        if place % _SAID_EVERY == 0:
            candidates.context.progress(doing, place, count)
        yield pair
    candidates.context.progress(doing, count, count)
