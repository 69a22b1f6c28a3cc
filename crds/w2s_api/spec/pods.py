"""How the pods of the stages look: a curated part of what Kubernetes knows, by its own names."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from w2s_api.names import GROUP, StageKind
from w2s_api.spec.base import NAME_MEANING, NAME_PATTERN, NoNulls, Rule, Struct, text, union


def _whole_as_text(given: Any) -> Any:
    return str(given) if type(given) is int else given


Quantity = Annotated[
    str,
    text(
        32,
        1,
        r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
        'a Kubernetes quantity such as "8Gi", "500m" or 1',
    ),
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "minimum": 0}),
    BeforeValidator(_whole_as_text),
]
"""A Kubernetes quantity. Whole numbers may be written without quotes, as in every pod."""

ObjectName = Annotated[
    str, text(253, 1, r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "the name of a Kubernetes object")
]
QueueName = Annotated[str, text(63, 1, NAME_PATTERN, NAME_MEANING)]
Key = Annotated[str, text(253, 1, r"^[-._a-zA-Z0-9]+$", "letters, digits, dashes, dots and underscores")]
EnvName = Annotated[
    str,
    text(128, 1, r"^[A-Za-z_][A-Za-z0-9_]*$", "letters, digits and underscores, no digit first"),
]
LabelValue = Annotated[
    str,
    text(
        63,
        0,
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "the value of a label: letters, digits, dashes, dots and underscores",
    ),
]
_ATOMIC: dict[str, JsonValue] = {"x-kubernetes-list-type": "atomic"}
_BY_NAME: dict[str, JsonValue] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class LocalObject(Struct):
    """In the job's namespace."""

    name: ObjectName = Field(description="Its name.")


class KeySelector(Struct):
    """A key of an object in the job's namespace."""

    name: ObjectName = Field(description="Name of the Secret or ConfigMap.")
    key: Key = Field(description="The key in it.")


class EnvVar(Struct):
    """An environment variable."""

    rules = (
        Rule(
            cel="(has(self.value) ? 1 : 0) + (has(self.secretKeyRef) ? 1 : 0) +"
            " (has(self.configMapKeyRef) ? 1 : 0) == 1",
            message="give one of `value`, `secretKeyRef` and `configMapKeyRef`",
            holds=lambda e: (
                sum(x is not None for x in (e.value, e.secret_key_ref, e.config_map_key_ref)) == 1
            ),
        ),
    )

    name: EnvName = Field(description="Its name.")
    value: Annotated[str, text(4096)] | None = Field(default=None, description="Its value, in plain text.")
    secret_key_ref: KeySelector | None = Field(default=None, description="Its value, from a key of a Secret.")
    config_map_key_ref: KeySelector | None = Field(
        default=None, description="Its value, from a key of a ConfigMap."
    )


class EnvFrom(Struct):
    """All keys of a Secret or ConfigMap as environment variables."""

    rules = (
        Rule(
            cel="has(self.secretRef) != has(self.configMapRef)",
            message="give one of `secretRef` and `configMapRef`",
            holds=lambda e: (e.secret_ref is None) != (e.config_map_ref is None),
        ),
    )

    secret_ref: LocalObject | None = Field(
        default=None, description="The Secret whose keys become variables."
    )
    config_map_ref: LocalObject | None = Field(
        default=None, description="The ConfigMap whose keys become variables."
    )


class Toleration(Struct):
    """A taint of nodes that the pod may run on in spite of it."""

    rules = (
        Rule(
            cel="has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            message="without `key`, which means all taints, write `operator: Exists`",
            holds=lambda t: t.key is not None or t.operator == "Exists",
            field="operator",
        ),
        Rule(
            cel="!has(self.value) || self.value == '' || !has(self.operator) || self.operator == 'Equal'",
            message="`value` is compared only when `operator` is Equal: leave it out",
            holds=lambda t: not t.value or t.operator in (None, "Equal"),
            field="value",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="`tolerationSeconds` is to be given only when `effect` is NoExecute",
            holds=lambda t: t.toleration_seconds is None or t.effect == "NoExecute",
            field="tolerationSeconds",
        ),
    )

    key: Annotated[str, text(317, 1)] | None = Field(
        default=None, description="The taint's key. Default: every taint."
    )
    operator: Literal["Equal", "Exists"] | None = Field(
        default=None,
        description="Equal: the taint has this `value`. Exists: whatever its value is. Default: Equal.",
    )
    value: LabelValue | None = Field(default=None, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="The taint's effect. Default: every effect."
    )
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = Field(
        default=None,
        description="How long the pod stays once a NoExecute taint is there. Default: to its end.",
    )


Amounts = Annotated[dict[str, Quantity], Field(max_length=16), NoNulls]


class Resources(Struct):
    """What the container of a pod is given, as in any pod."""

    requests: Amounts | None = Field(
        default=None,
        description="What is reserved for it: cpu, memory, ephemeral-storage. Default: the limits.",
    )
    limits: Amounts | None = Field(
        default=None,
        description="What it may use at most. GPUs are asked for here (nvidia.com/gpu: 2); LoRA and Full tuning"
        " and pretraining start a process for each of them.",
    )


class Volume(Struct):
    """A volume of your own, such as a directory of models that many jobs read."""

    rules = (
        *union(PersistentVolumeClaim="persistentVolumeClaim", Secret="secret", ConfigMap="configMap"),
        Rule(
            cel="self.mountPath != '/w2s' && !self.mountPath.startsWith('/w2s/')",
            message="`mountPath` /w2s is the operator's: mount it elsewhere",
            holds=lambda v: v.mount_path != "/w2s" and not v.mount_path.startswith("/w2s/"),
            field="mountPath",
        ),
    )

    name: Annotated[str, text(40, 1, NAME_PATTERN, NAME_MEANING)] = Field(description="Its name in the pod.")
    mount_path: Annotated[str, text(512, 1, r"^/[^:]*$", "an absolute path, with no colon in it")] = Field(
        description="Where it is mounted."
    )
    read_only: bool = Field(default=False, description="True: the stages may not write to it.")
    type: Literal["PersistentVolumeClaim", "Secret", "ConfigMap"] = Field(description="What is mounted.")
    persistent_volume_claim: LocalObject | None = Field(
        default=None, description="The claim, when `type` is PersistentVolumeClaim."
    )
    secret: LocalObject | None = Field(default=None, description="The Secret, when `type` is Secret.")
    config_map: LocalObject | None = Field(
        default=None, description="The ConfigMap, when `type` is ConfigMap."
    )


class Cache(Struct):
    """Where pods keep models that they have downloaded or converted. It may be lost at any time."""

    rules = (
        Rule(
            cel="!has(self.claimName) || !has(self.sizeLimit)",
            message="`sizeLimit` is of a pod's own directory; a claim has its own size: leave one of them out",
            holds=lambda c: c.claim_name is None or c.size_limit is None,
            field="sizeLimit",
        ),
    )

    claim_name: ObjectName | None = Field(
        default=None,
        description="A PersistentVolumeClaim for all pods, so that a model is downloaded once. It must be"
        " ReadWriteMany if they run on several nodes. Default: each pod has a directory of its own, which goes"
        " with it.",
    )
    size_limit: Quantity | None = Field(
        default=None,
        description="Size at most of the pod's own directory; the pod is evicted beyond it. Default: what the"
        " node has.",
    )


def _none_of_ours(field: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(name, !name.startsWith('{GROUP}/'))",
        message=f"names that begin with {GROUP}/ are the operator's",
        holds=lambda pods: not any(name.startswith(f"{GROUP}/") for name in getattr(pods, field) or ()),
        field=field,
    )


class PodSettings(Struct):
    """Settings of pods. Each one that a stage gives takes the place of that in `default`, as a whole."""

    rules = (_none_of_ours("labels"), _none_of_ours("annotations"))

    image: Annotated[str, text(512, 1)] | None = Field(
        default=None, description="The image with w2s and torch. Default: that of the operator's settings."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None,
        description="When the image is pulled. Default: Always for the tag latest, IfNotPresent otherwise.",
    )
    image_pull_secrets: Annotated[list[LocalObject], Field(max_length=8)] | None = Field(
        default=None,
        description="Secrets with the credentials of the image's registry.",
        json_schema_extra=_BY_NAME,
    )
    resources: Resources | None = Field(default=None, description="What the container is given.")
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=16), NoNulls] | None = Field(
        default=None, description="Labels that the node must have."
    )
    affinity: Annotated[dict[str, Any], Field(max_length=3)] | None = Field(
        default=None,
        description="nodeAffinity, podAffinity and podAntiAffinity, written as in a pod. They are checked when the"
        " pod is made.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] | None = Field(
        default=None,
        description="Taints of nodes that the pod may run on in spite of them.",
        json_schema_extra=_ATOMIC,
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="The PriorityClass of the pod. Default: that of the cluster."
    )
    runtime_class_name: ObjectName | None = Field(
        default=None,
        description="The RuntimeClass of the pod, such as that of GPUs. Default: the node's runtime.",
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="The service account, for storage that is opened by workload identity (IRSA and its like)."
        " The pod gets no token for the cluster's own API in any case. Default: the namespace's.",
    )
    env: Annotated[list[EnvVar], Field(max_length=32)] | None = Field(
        default=None, description="Environment variables of the container.", json_schema_extra=_BY_NAME
    )
    env_from: Annotated[list[EnvFrom], Field(max_length=8)] | None = Field(
        default=None,
        description="Secrets and ConfigMaps all of whose keys become environment variables.",
        json_schema_extra=_ATOMIC,
    )
    volumes: Annotated[list[Volume], Field(max_length=8)] | None = Field(
        default=None, description="Volumes of your own.", json_schema_extra=_BY_NAME
    )
    cache: Cache | None = Field(default=None, description="Where pods keep models")
    shared_memory: Quantity | None = Field(
        default=None,
        description="Size of /dev/shm at most, through which GPUs exchange data. It counts as memory. Default: 1Gi.",
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="Time to save a checkpoint in when the pod is stopped. Default: 60."
    )
    labels: Annotated[dict[str, LabelValue], Field(max_length=16), NoNulls] | None = Field(
        default=None, description="Labels that the pod has beside the operator's own."
    )
    annotations: Annotated[dict[str, Annotated[str, text(4096)]], Field(max_length=16), NoNulls] | None = (
        Field(default=None, description="Annotations that the pod has beside the operator's own.")
    )
    queue_name: QueueName | None = Field(
        default=None,
        description="The Kueue LocalQueue of these pods, in place of `execution.queueName`: a stage without GPU"
        " may not fit a queue of GPUs.",
    )


class Pods(Struct):
    """One entry per kind of stage, called after it, or `default` for all."""

    values_of_map: ClassVar[type[Struct]] = PodSettings
    """In the CRD this is a map with one schema of its values, or they would be there once for each kind."""

    default: PodSettings | None = Field(default=None, description="Of every stage.")
    prepare: PodSettings | None = Field(default=None, description="Of `prepare`.")
    synthesise: PodSettings | None = Field(default=None, description="Of `synthesise`.")
    retrieve: PodSettings | None = Field(default=None, description="Of `retrieve`.")
    label: PodSettings | None = Field(default=None, description="Of `label`.")
    aggregate: PodSettings | None = Field(default=None, description="Of `aggregate`.")
    select: PodSettings | None = Field(default=None, description="Of `select`.")
    adapt: PodSettings | None = Field(default=None, description="Of `adapt`.")
    train: PodSettings | None = Field(default=None, description="Of `train`.")
    finish: PodSettings | None = Field(default=None, description="Of `finish`.")
    combine: PodSettings | None = Field(default=None, description="Of `combine`.")
    retention: PodSettings | None = Field(default=None, description="Of `retention`.")
    evaluate: PodSettings | None = Field(default=None, description="Of `evaluate`.")
    promote: PodSettings | None = Field(default=None, description="Of `promote`.")

    def of(self, kind: StageKind) -> PodSettings:
        """The settings of a kind of stage: its own where it has some, those of `default` elsewhere."""
        common = self.default or PodSettings()
        own: PodSettings | None = getattr(self, kind)
        if own is None:
            return common
        given = {name: getattr(own, name) for name in own.model_fields_set if getattr(own, name) is not None}
        return common.model_copy(update=given)


class Execution(Struct):
    """What waits for admission, and what is done when something fails or takes long."""

    queue_name: QueueName | None = Field(
        default=None, description="The Kueue LocalQueue that admits the job's pods. Default: none."
    )
    max_retries: Annotated[int, Field(ge=0, le=20)] = Field(
        default=2,
        description="How often a stage that failed is run again. Disruptions (eviction, preemption, a lost node)"
        " do not count.",
    )
    retry_backoff_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=10,
        description="Time before the first retry. Each later one waits twice as long, but no more than 300 s.",
    )
    pending_deadline_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = Field(
        default=None,
        description="How long a pod may wait to start before its stage fails. Waiting in a queue does not count."
        " Default: for ever.",
    )
    active_deadline_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = Field(
        default=None,
        description="How long the job may run, counted from its start, its last edit or its last resumption."
        " Default: for ever.",
    )
