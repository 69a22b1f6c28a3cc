"""What the store keeps of one job, for its driver."""

import json
from pathlib import Path

from w2s_api.keys import content_key
from w2s_api.spec.job import WeakToStrongJob
from w2s_api.stage import Stage
from w2s_trainer.contract.credentials import storage_settings
from w2s_trainer.contract.resolve import complete_artifacts, read_digests
from w2s_trainer.local.changes import Plan
from w2s_trainer.local.options import Options
from w2s_trainer.store.artifacts import ArtifactStore
from w2s_trainer.store.objects import NoSuchObject, Objects
from w2s_trainer.store.settings import Patience

PLAN = "plan.json"


class JobStore:
    """What the store keeps of one job."""

    def __init__(self, job: WeakToStrongJob, options: Options, directory: Path) -> None:
        settings = storage_settings(job.spec.storage, options.credentials_dir, directory)
        self.objects = Objects(settings, Patience(options.denied_seconds, options.unavailable_seconds))
        self.artifacts = ArtifactStore(self.objects, settings.uri)
        self._job = job

    def uri(self, name: str) -> str:
        """Where one of the job's own files is."""
        return self.artifacts.job_uri(self._job.metadata.namespace, self._job.metadata.name, name)

    def read_plan(self) -> Plan | None:
        """The plan of the last run; None if the job never ran."""
        try:
            plan: Plan = json.loads(self.objects.read(self.uri(PLAN)))
        except (NoSuchObject, ValueError):
            return None
        return plan

    def keep_plan(self, plan: Plan) -> None:
        """Keeps a plan, to compare the next one with."""
        self.objects.write(self.uri(PLAN), json.dumps(plan).encode())

    def complete(self, stages: tuple[Stage, ...]) -> dict[str, str]:
        """Returns the content keys of the complete artifacts of a plan, by stage name; writes nothing."""
        prepare = stages[0]
        prepared = content_key(prepare.key, {}, read_digests(prepare, self.objects))
        keys = complete_artifacts(stages, prepared, self.objects, self.artifacts)
        if self.artifacts.find(prepare.kind, prepared) is None:
            del keys[prepare.name]
        return keys
