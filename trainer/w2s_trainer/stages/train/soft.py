"""The token probabilities that labelers keep of the texts which students learn from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.label.texts.top_tokens import read_top_tokens
from w2s_trainer.stages.tables import Examples, of_seed, read_labels
from w2s_trainer.tuning.training_set import SoftTarget


def soft_targets(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], targets: NDArray[Any], seed: int
) -> NDArray[np.object_]:
    """Of each text that is learnt what the first labeler that wrote just that thinks of its tokens; None where none did.

    Args:
        context: of a stage that reads opinions.
        examples: N texts.
        rows: which are learnt, int64[n].
        targets: what is learnt of them, str[n].
        seed: of the training.

    Returns:
        object[n], each a SoftTarget or None.
    """
    soft = np.full(len(rows), None, dtype=object)
    column = family_of(context.spec).label_column
    for labeler, artifact in zip(context.spec.weak.labelers, context.artifacts("opinions"), strict=True):
        top = read_top_tokens(artifact, examples, context.scratch, seed)
        if not top:
            continue
        said = of_seed(read_labels(artifact, examples, context.scratch, column), seed)
        kept = {int(of): figures for of, figures in whole_summary(artifact.summary)["softTargets"].items()}
        vocabulary = of_seed(kept, seed)["vocabulary"]
        for place, row in enumerate(rows.tolist()):
            if soft[place] is None and row in top and said.targets[row] == targets[place]:
                soft[place] = SoftTarget(top[row], labeler.name, vocabulary)
    return soft
