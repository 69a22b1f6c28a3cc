"""The chart, rendered by Helm."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "w2s-operator"
HELM = Path(sys.executable).parent / "helm"

Object = dict[str, Any]


class Refused(Exception):
    """Helm does not render these values; the message is what it says to the user."""


def render(
    values: Mapping[str, Any] | None = None,
    *,
    namespace: str = "legal",
    release: str = "w2s-operator",
    crd: bool = False,
) -> list[Object]:
    """What an install with these values makes."""
    given = {"crds": {"enabled": crd}} | dict(values or {})
    command = [HELM, "template", release, CHART, "--namespace", namespace, "--kube-version", "1.33.0"]
    done = subprocess.run(
        [*command, "--values", "-"], input=yaml.safe_dump(given), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def only(objects: list[Object], kind: str, name: str = "") -> Object:
    """The one object of a kind."""
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(name))
    return found


def kinds(objects: list[Object]) -> set[str]:
    return {one["kind"] for one in objects}


def pod(objects: list[Object]) -> Object:
    """The operator's pod."""
    return only(objects, "Deployment")["spec"]["template"]


def container(objects: list[Object]) -> Object:
    (found,) = pod(objects)["spec"]["containers"]
    return found


def environment(objects: list[Object]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(objects)["env"]}
