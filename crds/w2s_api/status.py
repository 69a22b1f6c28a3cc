"""What the operator says of a job: the status of the WeakToStrongJob."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from w2s_api.spec.base import Struct, text

StageState = Literal[
    "Waiting",
    "Queued",
    "Starting",
    "Running",
    "Stopping",
    "Retrying",
    "Suspended",
    "Done",
    "Reused",
    "Failed",
]
FINISHED: frozenset[StageState] = frozenset({"Done", "Reused"})

ConditionType = Literal["Complete", "Failed", "Promoted", "Suspended", "Reconciling", "Stalled", "Advice"]
ConditionStatus = Literal["True", "False", "Unknown"]

Time = Annotated[str, text(32, 1)]
"""RFC 3339, in UTC, whole seconds."""
Word = Annotated[str, text(64)]
MOST_MESSAGE = 1024
"""Characters of a message."""
Message = Annotated[str, text(MOST_MESSAGE)]
Decimal = Annotated[str, text(24)]
Hash = Annotated[str, text(64)]


class _Said(Struct):
    """Said by the operator of this or another version: what is not known is passed over."""

    model_config = ConfigDict(extra="ignore", strict=False, validate_by_name=True, validate_by_alias=True)


NEVER = "1970-01-01T00:00:00Z"
"""Of a condition that no operator has looked at yet."""


class Condition(_Said):
    """One aspect of the job's state, as a Kubernetes condition."""

    type: ConditionType = Field(
        description="Complete: Unknown until the job is over, then True, or False if it failed. Failed: its mirror."
        " Promoted: whether the model was published. Suspended: whether it was asked to wait. Reconciling: the"
        " operator is at work on it. Stalled: a person has to do something, which the message says. Advice: before the"
        " students are trained something is known that speaks against the job, and the message says what to do about it;"
        " nothing waits for it."
    )
    status: ConditionStatus = Field(description="Whether it is so.")
    reason: Word = Field(description="Why, in one word for programs.")
    message: Message = Field(
        default="", description="Why, for a person: stage, pod and exit code, and what to do next."
    )
    last_transition_time: Time = Field(description="When `status` last became what it is.")
    observed_generation: int = Field(
        default=0, description="metadata.generation of the spec that it was said of."
    )


class StageProgress(_Said):
    """How far the last run of a stage is, at most some 15 s old."""

    phase: Word = Field(default="", description="What is being done, such as training.")
    step: int = Field(default=0, description="Steps done so far.")
    total: int = Field(default=0, description="Steps to be done. 0: not known.")
    eta_seconds: int | None = Field(
        default=None, description="Seconds until they are done, at the present rate."
    )
    loss: Decimal | None = Field(default=None, description="The loss of the last step, when it trains.")
    observed_time: Time | None = Field(default=None, description="When this was so.")


class StageStatus(_Said):
    """A stage and its runs. A run is one Job; a stage that is retried has several."""

    name: Annotated[str, text(63)] = Field(description="The stage, such as train or label-small.")
    state: StageState = Field(
        default="Waiting",
        description="Waiting: for stages before it. Queued: for admission by its queue. Starting: its pod does not"
        " run yet. Stopping: its pod saves what it has. Retrying: it runs again at `retryTime`. Reused: what it"
        " would make is in the store already.",
    )
    instance: Hash = Field(
        default="",
        description="Hash of its settings and inputs. When an edit changes it, the counts begin anew.",
    )
    run: int = Field(default=0, description="Number of its last run, from 1.")
    started: bool | None = Field(default=None, description="Whether its Job was seen.")
    ended: bool | None = Field(default=None, description="Whether that run is over and counted.")
    failures: int | None = Field(
        default=None, description="Runs that failed. Above `execution.maxRetries` the stage fails."
    )
    disruptions: int | None = Field(
        default=None,
        description="Runs that were ended from outside (eviction, preemption, a lost node). They are not failures.",
    )
    artifact: Hash | None = Field(
        default=None, description="Content key of what it made: where that is in the store."
    )
    reason: Word | None = Field(
        default=None, description="Why it waits, does not start or failed, in one word."
    )
    message: Message | None = Field(default=None, description="The same for a person.")
    last_end: Message | None = Field(
        default=None,
        description="How the run before ended, if it did not do its work; until one has done it.",
    )
    start_time: Time | None = Field(default=None, description="When its last run began.")
    completion_time: Time | None = Field(default=None, description="When its last run ended.")
    retry_time: Time | None = Field(default=None, description="When it is run again, if it is Retrying.")
    progress: StageProgress | None = Field(default=None, description="How far its run is, while it runs.")


class Results(_Said):
    """What `evaluate` found on the gold test, as decimal strings. The report has the rest."""

    metric: Word | None = Field(default=None, description="The metric, that of `spec.promotion`.")
    weak: Decimal | None = Field(default=None, description="What the weak labels reach.")
    candidate: Decimal | None = Field(default=None, description="What the candidate reaches.")
    gain: Decimal | None = Field(default=None, description="candidate − weak.")
    gain_low: Decimal | None = Field(default=None, description="Where its 95 % interval begins.")
    gain_high: Decimal | None = Field(default=None, description="Where its 95 % interval ends.")
    epsilon: Decimal | None = Field(
        default=None,
        description="With `strong.training.privacy`: ε that the training of a student has spent.",
    )
    delta: Decimal | None = Field(default=None, description="The δ of that.")


class Status(_Said):
    """How the job goes and what came of it. The operator writes it; anybody else's edits are lost."""

    observed_generation: int = Field(
        default=-1,
        description="metadata.generation of the spec that this is about. -1: no operator has seen it yet.",
    )
    conditions: Annotated[list[Condition], Field(max_length=8)] = Field(
        default_factory=list,
        description="What is so and what is not, for people and for programs that wait.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    stages: Annotated[list[StageStatus], Field(max_length=128)] = Field(
        default_factory=list,
        description="The stages in order, with their runs.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    stage: Annotated[str, text(63)] | None = Field(
        default=None, description="The stage that is being worked on, or that failed."
    )
    progress: Annotated[str, text(32)] | None = Field(
        default=None, description="How far the job is, in short."
    )
    gain: Annotated[str, text(48)] | None = Field(
        default=None, description="The gain over the weak labels and its 95 % interval, in short."
    )
    results: Results | None = Field(default=None, description="The figures that matter most.")
    model_uri: Annotated[str, text(1100)] | None = Field(
        default=None, alias="modelURI", description="Where the published model is, once it is published."
    )
    report_uri: Annotated[str, text(1100)] | None = Field(
        default=None, alias="reportURI", description="Where the report is."
    )
    start_time: Time | None = Field(default=None, description="When the job began, or went on after an edit.")
    completion_time: Time | None = Field(default=None, description="When the job ended.")
    retry: Annotated[str, text(256)] | None = Field(
        default=None,
        description="The value of the annotation `w2s.dev/retry` that this is about. A new value lets what failed"
        " be tried again.",
    )
    resolutions: int | None = Field(
        default=None, description="How often the plan was resolved again because an artifact was gone."
    )

    def to_json(self) -> dict[str, Any]:
        """As it is written: without what is not known."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def condition(status: Status, type_: ConditionType) -> Condition | None:
    """Returns the condition of a type, if it is there."""
    return next((condition for condition in status.conditions if condition.type == type_), None)
