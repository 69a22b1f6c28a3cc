"""Names, labels and annotations of the Jobs that the operator creates: what each of our programs finds them by."""

from w2s_api.keys import digest
from w2s_api.names import GROUP, MARK_DIGITS

MANAGED_BY = "w2s-operator"
MANAGER_LABEL = "app.kubernetes.io/managed-by"
JOB_LABEL = f"{GROUP}/job"
JOB_UID_LABEL = f"{GROUP}/job-uid"
STAGE_LABEL = f"{GROUP}/stage"
RUN_LABEL = f"{GROUP}/run"
QUEUE_PREFIX = "kueue.x-k8s.io/"
QUEUE_LABEL = f"{QUEUE_PREFIX}queue-name"

CONTAINER = "stage"
"""Name of the container in our pods."""

INSTANCE_ANNOTATION = f"{GROUP}/instance"
STAGE_KEY_ANNOTATION = f"{GROUP}/stage-key"
SETTINGS_ANNOTATION = f"{GROUP}/pod-settings"
STAGE_JOB_ANNOTATION = f"{GROUP}/stage-job"

RETRY_ANNOTATION = f"{GROUP}/retry"
HANDS_OFF_ANNOTATION = f"{GROUP}/hands-off"

SELECTOR = f"{MANAGER_LABEL}={MANAGED_BY},{JOB_UID_LABEL}"
"""Of everything that the operator made."""


def child_name(job: str, stage: str, uid: str, instance: str, run: int) -> str:
    """Name of the Job of a run. Whoever decides the same run makes the same Job.

    Args:
        job: name of the WeakToStrongJob.
        stage: name of the stage.
        uid: of the WeakToStrongJob: a job that is applied again has Jobs of its own.
        instance: hash of the stage's settings and inputs.
        run: number of the run, from 1.
    """
    return f"{job}-{stage}-{digest([uid, instance])[:MARK_DIGITS]}-{run}"
