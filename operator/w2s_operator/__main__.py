"""`python -m w2s_operator`: runs the operator until it is stopped."""

import logging
import sys

import kopf

from w2s_operator.edge import register
from w2s_operator.logs import as_json
from w2s_operator.settings import OperatorSettings

log = logging.getLogger("w2s_operator")


def main() -> int:
    """Runs it. Settings come from the environment: settings.py."""
    try:
        settings = OperatorSettings.from_environment()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 64
    as_json(settings.log_level)
    registry = kopf.OperatorRegistry()
    engine = register(registry, settings)
    try:
        kopf.run(
            registry=registry,
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=list(settings.namespaces),
            # Of peering, which is off. Without one, kopf asks for the user's name, and in a pod there is none.
            identity="w2s-operator",  # type: ignore[arg-type]
            stop_flag=engine.over,
        )
    except Exception as error:
        cause = error.__cause__ or error
        log.critical("%s", cause, exc_info=not isinstance(cause, kopf.PermanentError))
        return 1
    return 1 if engine.broken else 0


if __name__ == "__main__":
    sys.exit(main())
