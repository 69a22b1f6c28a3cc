"""A container beside the stage's own, injected by a mesh, that keeps its pod from ending. Pure."""

from collections.abc import Sequence

from w2s_operator.planning.observed import ChildPod, Problem, Seconds

SIDECAR_AFTER = 60.0
"""Seconds after the end of the stage's container after which its pod should have ended too."""


def overdue(pods: Sequence[ChildPod]) -> tuple[Seconds, Problem] | None:
    """From when on a pod whose stage has ended is held up, and what to say then; None if none is."""
    ended = [
        (pod.exit.ended, pod.name)
        for pod in pods
        if pod.exit is not None and pod.exit.ended is not None and pod.phase == "Running"
    ]
    if not ended:
        return None
    since, name = min(ended)
    message = (
        f"The stage has ended, and its pod {name} still runs: a container beside it does not end, such as a"
        ' sidecar that a mesh injects. Keep it out (for Istio: `pods.default.labels: {sidecar.istio.io/inject: "false"}`)'
        " or let the mesh inject native sidecars."
    )
    return since + SIDECAR_AFTER, Problem("SidecarStillRuns", message)
