"""Which arms were not computed, and why. Pure."""

from collections.abc import Collection

from w2s_api.names import ARMS, Arm
from w2s_api.spec.job import Spec
from w2s_api.spec.tuning import Training

_NOT_ASKED = "not asked for in `evaluation.controls`"


def not_computed(spec: Spec, computed: Collection[str]) -> list[dict[str, str]]:
    """The arms without figures, in the order of `ARMS`: {arm, why}.

    Args:
        spec: of the job.
        computed: the arms that have figures.
    """
    return [{"arm": arm, "why": _why(spec, arm)} for arm in ARMS if arm not in computed]


def _why(spec: Spec, arm: Arm) -> str:
    strong = spec.strong
    shallow = strong.tuning.type == "Head"
    stopping = (strong.training or Training()).stopping.type
    same: dict[Arm, tuple[bool, str]] = {
        "unfiltered": (not spec.selection.steps, "nothing was selected: it would be `strong`"),
        "head": (shallow, "`strong` is itself a head on the frozen model"),
        "unstopped": (
            shallow or stopping == "FixedSchedule",
            "`strong` was trained to the end: it would be the same",
        ),
        "ceiling": (not spec.evaluation.ceiling, "not asked for in `evaluation.ceiling`"),
    }
    applies, why = same.get(arm, (False, ""))
    return why if applies else _NOT_ASKED
