"""What GitOps tools make of a job: Argo CD by our health check, Flux by kstatus."""

from pathlib import Path
from typing import Any

import lupa.lua51

HEALTH = Path(__file__).parents[3] / "gitops" / "argocd" / "w2s.dev" / "WeakToStrongJob"

Object = dict[str, Any]


def argo_health(obj: Object) -> tuple[str, str]:
    """(status, message) that Argo CD shows: Lua 5.1 with nothing but its base and its tables."""
    lua = lupa.lua51.LuaRuntime(register_eval=False, register_builtins=False)
    for name in ("string", "math", "io", "os", "debug", "package", "require", "dofile", "loadfile", "python"):
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(obj, recursive=True)
    found = lua.execute((HEALTH / "health.lua").read_text())
    return found["status"], found["message"]


def kstatus(obj: Object) -> str:
    """What sigs.k8s.io/cli-utils says of a custom resource, in the order of its rules; Flux waits by it."""
    status, meta = obj.get("status") or {}, obj["metadata"]
    said = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    if "deletionTimestamp" in meta:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != meta["generation"]:
        return "InProgress"
    if said.get("Reconciling") == "True":
        return "InProgress"
    if said.get("Stalled") == "True":
        return "Failed"
    return {"True": "Current", None: "Current"}.get(said.get("Ready"), "InProgress")
