"""Child Jobs with the settings of this operator."""

from collections.abc import Mapping
from functools import lru_cache

from pydantic import ValidationError

from w2s_api.names import STAGE_KINDS
from w2s_operator.children.job import child_job
from w2s_operator.children.settings import Defaults, settings_hash
from w2s_operator.cluster.api import Json
from w2s_operator.planning.actions import CreateRun
from w2s_operator.planning.observed import Job
from w2s_operator.planning.plan import understood
from w2s_operator.settings import OperatorSettings


class PodBuilder:
    """Makes the Jobs of runs."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._defaults = Defaults(image=settings.trainer_image)
        self._hashes = lru_cache(maxsize=1024)(self._hash)

    def child(self, job: Job, action: CreateRun) -> Json:
        """The Job of a run."""
        return child_job(job, action, self._defaults)

    def settings_hash(self, spec: bytes) -> Mapping[str, str]:
        """Hash of the pod settings of each kind of stage, as a run would be made with now."""
        return self._hashes(spec)

    def _hash(self, spec: bytes) -> Mapping[str, str]:
        try:
            known, _ = understood(spec)
        except ValidationError:
            return {}
        return {kind: settings_hash(known, kind, self._defaults) for kind in STAGE_KINDS}
