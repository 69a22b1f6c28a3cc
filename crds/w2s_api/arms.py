"""What is compared with what (docs/protocol.md): each arm is declared here, once, and everything else asks.

The pipeline asks what an arm learns from and whether a spec has it, `train` takes its training set from that, `evaluate`
its comparisons, and the report its words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from w2s_api.families import family_of

if TYPE_CHECKING:
    from w2s_api.spec.job import Spec


MOST_ROUNDS = 4
"""Rounds of self-training, the first of which is the job without it."""


class LearnsFrom(Enum):
    """What the student of an arm is trained on."""

    SELECTED_LABELS = "the weak labels that were selected"
    ALL_LABELS = "all weak labels"
    GOLD_BUDGET = "the gold budget"
    GOLD_POOL = "gold labels of the pool"

    @property
    def is_gold(self) -> bool:
        """Gold labels are taken at their word: plain cross-entropy, to the end of the schedule."""
        return self in (LearnsFrom.GOLD_BUDGET, LearnsFrom.GOLD_POOL)


@dataclass(frozen=True)
class Arm:
    """One of the things that are compared."""

    name: str
    words: str
    """What it is, for the glossary of the report."""
    absent: Callable[["Spec"], str | None]
    """Why a spec does not have it; None if it has."""
    learns_from: LearnsFrom | None = None
    """None: it answers without training of its own, or is another arm's student looked at again."""
    control: str | None = None
    """The name in `evaluation.controls` by which it is asked for."""
    beats: tuple[str, ...] = ()
    """What it is compared with to decide, in the declared order."""
    explores: tuple[str, ...] = ()
    """What else it is compared with, to be looked at and not to decide by."""
    candidate: str | None = None
    """The value of `promotion.candidate` that declares it to be what is promoted."""
    as_baseline: str = ""
    """What the report calls it where the candidate is compared with it."""
    unadapted: bool = False
    """Made from the strong model as it came, without the steps of its adaptation."""
    round: int | None = None
    """The round of self-training whose student it is, from 2."""
    simpler: bool = False
    """Cheaper than the candidate: where it is clearly better, the report says so beside the answer."""

    @property
    def value(self) -> str:
        """The name as the manifest writes it: `gold-only` is `GoldOnly`."""
        return "".join(word.capitalize() for word in self.name.split("-"))


def _always(_spec: "Spec") -> None:
    return None


def _unless_asked(control: str) -> Callable[["Spec"], str | None]:
    def absent(spec: "Spec") -> str | None:
        return None if control in spec.evaluation.controls else "not asked for in `evaluation.controls`"

    return absent


def _unfiltered_absent(spec: "Spec") -> str | None:
    if not spec.selection.steps:
        return "nothing was selected: it would be `strong`"
    return _unless_asked("Unfiltered")(spec)


def _zero_shot_absent(spec: "Spec") -> str | None:
    if not family_of(spec.task).has_zero_shot:
        return f"a model that was not tuned has no answer for a task of type {spec.task.type}"
    return _unless_asked("ZeroShot")(spec)


def _combined_absent(spec: "Spec") -> str | None:
    if not family_of(spec.task).has_combination:
        return f"answers of a task of type {spec.task.type} are not added up"
    return None


def _students_absent(spec: "Spec") -> str | None:
    if not family_of(spec.task).has_heads:
        return "students that write are no single model"
    if not spec.strong.tuning.settings.on_frozen_model:
        return (
            "`strong` reads other features than the heads that it is combined with: they are no single model"
        )
    return _combined_absent(spec)


def _head_absent(spec: "Spec") -> str | None:
    if not family_of(spec.task).has_heads:
        return f"a task of type {spec.task.type} is not answered by a head"
    if spec.strong.tuning.settings.on_frozen_model:
        return "`strong` is itself a head on the frozen model"
    return _unless_asked("Head")(spec)


def _full_schedule_absent(spec: "Spec") -> str | None:
    training = spec.strong.training
    if training is None or training.stopping.type == "FixedSchedule":
        return "`strong` was trained to the end: it would be the same"
    return None


def _unadapted_absent(spec: "Spec") -> str | None:
    if not spec.strong.adaptation.steps:
        return "the strong model was not adapted: it would be `strong`"
    return None if spec.evaluation.unadapted else "not asked for in `evaluation.unadapted`"


def _round_absent(number: int) -> Callable[["Spec"], str | None]:
    def absent(spec: "Spec") -> str | None:
        if spec.strong.rounds.max >= number:
            return None
        return f"not asked for: `strong.rounds.max` is {spec.strong.rounds.max}"

    return absent


def _unfinished_absent(spec: "Spec") -> str | None:
    if not spec.strong.finish.steps:
        return "the student was not changed after its training: it would be `strong`"
    return None if spec.evaluation.unfinished else "not asked for in `evaluation.unfinished`"


def _ceiling_absent(spec: "Spec") -> str | None:
    return None if spec.evaluation.ceiling else "not asked for in `evaluation.ceiling`"


def _round(name: str, number: int, before: str) -> Arm:
    words = f"The student of round {number} of self-training, whether the stop rule accepts it or not."
    return Arm(name, words, _round_absent(number), explores=(before,), round=number)


_TABLE = (
    Arm(
        "weak",
        "The teacher: the weak labels as they are.",
        _always,
        as_baseline="its teacher, the weak labels",
    ),
    Arm(
        "combined",
        "Teacher, student on the weak labels, student on your gold labels and the strong model as it came, each as"
        " sure as your gold labels show it to be right, added in log-odds; of texts that were written, the one that is"
        " most probably right.",
        _combined_absent,
        candidate="Combined",
        beats=("weak", "zero-shot", "gold-only", "strong", "unfiltered"),
        explores=("students", "cascade"),
    ),
    Arm(
        "students",
        "The students of `combined` as one model, without the teacher: what the published model answers by itself.",
        _students_absent,
        as_baseline="its students without the teacher",
        simpler=True,
    ),
    Arm(
        "self-trained",
        "Self-training: the student of the last round that your gold labels accept, taught by the combination of the round"
        " before; `combined` where they accept none.",
        _round_absent(2),
        candidate="SelfTrained",
        beats=("weak", "zero-shot", "gold-only", "strong", "unfiltered"),
        explores=("combined",),
    ),
    _round("round-2", 2, "combined"),
    _round("round-3", 3, "round-2"),
    _round("round-4", 4, "round-3"),
    Arm(
        "strong",
        "The student, trained on the weak labels.",
        _always,
        learns_from=LearnsFrom.SELECTED_LABELS,
        candidate="Student",
        beats=("weak", "zero-shot", "gold-only", "unfiltered"),
        explores=("head", "full-schedule", "unfinished", "unadapted"),
        as_baseline="the student on the weak labels alone",
        simpler=True,
    ),
    Arm(
        "full-schedule",
        "The student at the end of its schedule, not stopped where held-out weak labels were predicted best.",
        _full_schedule_absent,
    ),
    Arm(
        "unfiltered",
        "The student, trained without selection.",
        _unfiltered_absent,
        learns_from=LearnsFrom.ALL_LABELS,
        control="Unfiltered",
        as_baseline="training without selection",
    ),
    Arm(
        "unadapted",
        "The student, made from the strong model as it came, without the steps of its adaptation: the same weak labels,"
        " tuning and seeds.",
        _unadapted_absent,
        learns_from=LearnsFrom.SELECTED_LABELS,
        as_baseline="the student of the model before its adaptation",
        unadapted=True,
        simpler=True,
    ),
    Arm(
        "unfinished",
        "The student as it was trained, without the steps that changed it afterwards.",
        _unfinished_absent,
        explores=("full-schedule", "unadapted"),
        as_baseline="the student before it was finished",
        simpler=True,
    ),
    Arm(
        "head",
        "A head on the frozen strong model, trained on the same weak labels: what the student is without its"
        " tuning.",
        _head_absent,
        learns_from=LearnsFrom.SELECTED_LABELS,
        control="Head",
        as_baseline="a head on the frozen model",
        simpler=True,
    ),
    Arm(
        "gold-only",
        "The same pretrained model tuned on your gold labels alone.",
        _unless_asked("GoldOnly"),
        learns_from=LearnsFrom.GOLD_BUDGET,
        control="GoldOnly",
        as_baseline="the same model tuned on your own labels alone",
        simpler=True,
    ),
    Arm(
        "zero-shot",
        "The strong model as it came, or was adapted, without a label: asked, or by similarity to the class descriptions.",
        _zero_shot_absent,
        control="ZeroShot",
        as_baseline="the strong model as it came",
        simpler=True,
    ),
    Arm(
        "ceiling",
        "The same pretrained model tuned on expert labels of the pool: what perfect labels would give.",
        _ceiling_absent,
        learns_from=LearnsFrom.GOLD_POOL,
        explores=("strong",),
    ),
    Arm(
        "cascade",
        "The teacher where it answers, the student elsewhere.",
        _unless_asked("Cascade"),
        control="Cascade",
        explores=("weak", "strong"),
    ),
)

ARMS = {arm.name: arm for arm in _TABLE}
"""All arms by name, in the order of the report."""

CONTROLS = tuple(sorted(arm.control for arm in _TABLE if arm.control))
"""The values of `evaluation.controls`."""

CANDIDATES = {arm.candidate: arm for arm in _TABLE if arm.candidate}
"""The values of `promotion.candidate` and the arms that they name."""

BASELINES = {
    ARMS[name].value: name
    for name in dict.fromkeys(name for arm in CANDIDATES.values() for name in arm.beats)
}
"""The values of `promotion.mustBeat` and the arms that they name, in the order in which they are compared."""


def candidate_of(spec: "Spec") -> Arm:
    """The arm that the job is about: what is compared, held against the gate and published."""
    return CANDIDATES[spec.promotion.candidate]


def arms_of(spec: "Spec") -> tuple[Arm, ...]:
    """The arms that a spec has."""
    return tuple(arm for arm in _TABLE if arm.absent(spec) is None)


def is_on_gold(arm: Arm) -> bool:
    """Whether the student of an arm learns from gold labels."""
    return arm.learns_from is not None and arm.learns_from.is_gold


def on_frozen_model(arm: Arm, deep: bool) -> bool:
    """Whether an arm is computed on the features of the frozen model that is tuned, all of them in one process.

    Args:
        arm: any.
        deep: LoRA or Full is tuned. Then only what needs no tuning, and the head that it is held against, is there;
            otherwise every student is a head.
    """
    if arm.name == "head":
        return deep
    if arm.unadapted:
        return False
    return arm.name == "zero-shot" or (arm.learns_from is not None and not deep)
