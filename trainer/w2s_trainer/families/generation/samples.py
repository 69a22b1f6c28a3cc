"""Of several texts that one model wrote after one prompt, the one that it stands by (self-consistency). Pure.

Wang et al. 2023, *Self-consistency improves chain of thought reasoning*: the most frequent answer of several samples. For
free text, of which no two are equal, minimum Bayes risk (`consensus`).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.consensus import UTILITIES, consensus
from w2s_trainer.families.generation.joined import Choose, joined
from w2s_trainer.families.generation.vote import majority

CHOICES: Mapping[str, Choose] = {
    "ExactMatch": majority,
    **{name: consensus(utility) for name, utility in UTILITIES.items()},
}
"""By what samples are compared by."""


def agreed(samples: NDArray[np.object_], agreement: str) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """The text that agrees most with the other samples, of a tie the first, and how far it does.

    Args:
        samples: str[n, S]; empty where a sample is no answer.
        agreement: a key of CHOICES.

    Returns:
        str[n], empty where no sample is an answer; float64[n], the mean agreement with all S samples, of which those that
        are no answer agree with nothing.
    """
    choice = joined(samples, np.ones(samples.shape[1]), CHOICES[agreement])
    return choice.texts, choice.agreement * (samples != "").mean(axis=1)
