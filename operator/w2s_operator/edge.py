"""kopf's part: it watches the jobs and runs the process. No other module imports it.

Of kopf we use what has no state: `on.event` hands over each object as it is, annotates nothing, adds no
finalizer and starts no task an object. Everything that is decided is decided from what is seen (planning/).
"""

import dataclasses
import logging
from typing import Any

import kopf

from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_operator.children.job import ChildJobs
from w2s_operator.children.settings import Defaults
from w2s_operator.cluster.api import load_configuration
from w2s_operator.engine import Engine
from w2s_operator.settings import OperatorSettings

log = logging.getLogger(__name__)


def register(registry: kopf.OperatorRegistry, operator: OperatorSettings) -> None:
    """Puts our handlers into a registry."""
    engine = Engine(operator, ChildJobs(Defaults(image=operator.trainer_image)))

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False  # Events are our own, deduplicated
        settings.scanning.disabled = True  # no rights on CRDs and namespaces
        settings.persistence.finalizer = f"{GROUP}/never"
        settings.networking.request_timeout = 30
        settings.watching.server_timeout = 300
        settings.queueing.idle_timeout = 1.0
        await engine.start()

    @kopf.on.login(registry=registry)
    async def login(**given: Any) -> Any:
        found = kopf.login_with_service_account(**given)
        if found:  # kopf goes by the server's name, which means nothing while the cluster's DNS is away
            return dataclasses.replace(found, server=load_configuration().host)
        return kopf.login_with_kubeconfig(**given)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await engine.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def seen(type: str | None, body: kopf.Body, **_: Any) -> None:
        if type == "DELETED":
            meta = body["metadata"]  # one of the same name may be there already, and be seen before this
            engine.jobs.drop((meta["namespace"], meta["name"]), not_after=int(meta["resourceVersion"]))
        else:
            engine.jobs.put(body)
