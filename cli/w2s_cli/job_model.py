"""Where the newest model of a job is: of a manifest, or of a name in a store."""

from dataclasses import dataclass
from pathlib import Path

from w2s_cli.manifest import read_manifests
from w2s_trainer.errors import BadSpec

CANDIDATE = "candidate.json"
"""What `promote` writes for each job that ended well, whether its model was published or not."""


@dataclass(frozen=True)
class JobModel:
    """A job's note of its newest model, and the server on which it is."""

    uri: str
    endpoint: str | None = None


def job_model(job: str, storage: str | None) -> JobModel:
    """Finds where a job notes its newest model.

    Args:
        job: the path of a manifest, or [NAMESPACE/]NAME.
        storage: `storage.uri` of the job, where it is a name.

    Raises:
        BadSpec: the manifest is not valid, or it is not known where the job keeps its results.
    """
    if Path(job).suffix in (".yaml", ".yml", ".json"):
        return _of_manifest(Path(job))
    if not storage:
        raise BadSpec(
            "StorageUnknown",
            f"--job {job}: it is not known where it keeps its results.",
            "Add --storage s3://…, as `storage.uri` of its manifest has it, or give the manifest itself.",
        )
    namespace, _, name = job.rpartition("/")
    return JobModel(_place(storage, namespace or "default", name))


def _of_manifest(path: Path) -> JobModel:
    documents = read_manifests(path)
    complaints = [line for document in documents for line in document.complaints]
    if complaints or len(documents) != 1 or documents[0].job is None:
        raise BadSpec(
            "BadManifest",
            "; ".join(complaints) or f"{path}: holds {len(documents)} manifests.",
            "Correct it, or name the job and its --storage.",
        )
    metadata, given = documents[0].job.metadata, documents[0].job.spec.storage
    return JobModel(_place(given.uri, metadata.namespace, metadata.name), given.endpoint)


def _place(storage: str, namespace: str, name: str) -> str:
    return f"{storage.rstrip('/')}/jobs/{namespace}/{name}/{CANDIDATE}"
