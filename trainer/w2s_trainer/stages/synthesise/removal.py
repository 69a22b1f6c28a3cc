"""What of the pairs does not stay: near-duplicates of the test, and repetitions. Pure."""

from collections.abc import Callable, Sequence

import numpy as np

from w2s_api.spec.data import NearDuplicates
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.stages.prepare.duplicates import near_duplicates
from w2s_trainer.stages.synthesise.alike import unlike
from w2s_trainer.stages.synthesise.pairs import Pair


def kept_of(
    pairs: Sequence[Pair],
    texts: Sequence[str],
    test: Sequence[str],
    near: NearDuplicates,
    most_alike: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[int], dict[str, int]]:
    """The places of the pairs that stay, ascending, and how many do not, by why.

    Args:
        pairs: n, in the order in which they are preferred.
        texts: as they are written.
        test: the texts of the gold test. A pair goes that is joined with one of them as `prepare` joins near-duplicates.
        near: says which those are.
        most_alike: as of `alike.unlike`.
        progress: told (texts done, all) while near-duplicates are looked for.
    """
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(normalised(text), place)
    of_test = dict.fromkeys(map(normalised, test))
    different = [place for text, place in first.items() if text not in of_test]
    looked_at = [*(texts[place] for place in different), *of_test]
    components = near_duplicates(looked_at, float(near.similarity), near.shingle_words, progress)
    far = ~np.isin(components[: len(different)], components[len(different) :])
    left = [place for place, is_far in zip(different, far.tolist(), strict=True) if is_far]
    stays = unlike([pairs[place] for place in left], most_alike)
    kept = [place for place, stay in zip(left, stays, strict=True) if stay]
    return kept, {
        "duplicates": len(texts) - len(first),
        "nearTest": len(first) - len(left),
        "alike": len(left) - len(kept),
    }
