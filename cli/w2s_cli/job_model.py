"""Where a job keeps its results and its newest model: of a manifest, or of a name in a store."""

from dataclasses import dataclass
from pathlib import Path

from w2s_cli.manifest import read_manifests
from w2s_trainer.errors import BadSpec

CANDIDATE = "candidate.json"
"""What `promote` writes for each job that ended well, whether its model was published or not."""


@dataclass(frozen=True)
class JobPlace:
    """A job in a store, and the server on which that is."""

    storage: str
    namespace: str
    name: str
    endpoint: str | None = None

    @property
    def model(self) -> str:
        """The URI of its note of its newest model."""
        return f"{self.storage.rstrip('/')}/jobs/{self.namespace}/{self.name}/{CANDIDATE}"


def job_place(job: str, storage: str | None) -> JobPlace:
    """Finds where a job keeps what it makes.

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
            f"{job}: it is not known where this job keeps its results.",
            "Add --storage s3://…, as `storage.uri` of its manifest has it, or give the manifest itself.",
        )
    namespace, _, name = job.rpartition("/")
    return JobPlace(storage, namespace or "default", name)


def _of_manifest(path: Path) -> JobPlace:
    documents = read_manifests(path)
    complaints = [line for document in documents for line in document.complaints]
    if complaints or len(documents) != 1 or documents[0].job is None:
        raise BadSpec(
            "BadManifest",
            f"{'; '.join(complaints) or f'{path}: holds {len(documents)} manifests'}.",
            "Correct it, or name the job and its --storage.",
        )
    metadata, given = documents[0].job.metadata, documents[0].job.spec.storage
    return JobPlace(given.uri, metadata.namespace, metadata.name, given.endpoint)
