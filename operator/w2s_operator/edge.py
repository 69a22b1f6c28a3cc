"""kopf's part: it watches the jobs and runs the process. Only `__main__`, which starts it, imports it too.

Of kopf we use what has no state: `on.event` hands over each object as it is, annotates nothing, adds no
finalizer and starts no task an object. Everything that is decided is decided from what is seen (planning/).
"""

from typing import Any

import kopf
from kubernetes.config import ConfigException

from w2s_api.names import GROUP, PLURAL, VERSION
from w2s_operator.children.job import ChildJobs
from w2s_operator.cluster.cache import key_of
from w2s_operator.engine import Engine
from w2s_operator.jobs_watch import JOBS_WATCH, Pauses
from w2s_operator.settings import OperatorSettings


def register(
    registry: kopf.OperatorRegistry, operator: OperatorSettings, engine: Engine | None = None
) -> Engine:
    """Puts our handlers into a registry; the engine that they feed."""
    engine = engine or Engine(operator, ChildJobs(operator.defaults))

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False  # Events are our own, deduplicated
        settings.scanning.disabled = True  # no rights on CRDs and namespaces
        settings.persistence.finalizer = f"{GROUP}/never"
        settings.networking.request_timeout = 30
        settings.networking.error_backoffs = Pauses()
        settings.watching.server_timeout = JOBS_WATCH
        settings.watching.chunk_size = 200  # of the first list, or all of it is held at once
        settings.queueing.idle_timeout = 0.1  # a task an object holds its last event for so long
        try:
            await engine.start()
        except (ConfigException, OSError) as error:  # no kubeconfig, a port that is taken
            raise kopf.PermanentError(f"The operator cannot start: {error}") from None

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        server, session = engine.session()
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await engine.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        raw: Any = event["object"]
        if event["type"] == "DELETED":  # one of the same name may be there already, and be seen before this
            engine.jobs.drop(key_of(raw), not_after=int(raw["metadata"]["resourceVersion"]))
        else:
            engine.jobs.put(raw)

    return engine
