"""Images without a registry: built by buildah from our Containerfiles, loaded into the node's containerd.

buildah's storage is in the cache folder, so that layers are shared by all clones and the machine's own stay away.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from w2s_cluster import network
from w2s_cluster.errors import CannotRun, ClusterFault
from w2s_cluster.kubectl import own_kubeconfig
from w2s_cluster.process import alive
from w2s_cluster.settings import SOURCES, Settings, cache

BASE = "localhost/w2s-test-base:bookworm"

_RUN = Path("/run/w2s-images")  # buildah wants it gone after a reboot
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_ROOT_FILES = [
    "mmdebstrap",
    "--quiet",
    "--variant=essential",
    "--include=ca-certificates,python3,python3-pip,python3-venv",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # The official image has `python` and `pip` in /usr/local/bin and no mark that forbids `pip install`.
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    '--customize-hook=ln -s /usr/bin/pip3 "$1/usr/local/bin/pip"',
    '--customize-hook=rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
    "bookworm",
]


def build(containerfile: Path, context: Path, tag: str, arguments: Mapping[str, str] | None = None) -> str:
    """Build an image as a release would, except that nothing is pulled; gives its reference, `localhost/<tag>`.

    Layers are cached by content. `RUN` steps reach the package registries that this machine reaches, and trust
    the certificate authorities that it trusts; neither ends up in the image.
    """
    reference = f"localhost/{tag}"
    command = [
        "bud",
        "--isolation",
        "chroot",
        "--layers",
        "--pull-never",
        "--tag",
        reference,
        "--file",
        str(containerfile),
    ]
    if _AUTHORITIES.exists():
        command += ["--volume", f"{_AUTHORITIES}:{_AUTHORITIES}:ro"]
    for name, value in (arguments or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    buildah(*command, str(context))
    return reference


def publish(reference: str) -> str:
    """Give the pods of the `node` cluster an image that was built here; returns the reference that they use.

    A cluster of the user's own pulls it from the registry that `W2S_TEST_REGISTRY` names (`host/path`).
    """
    if not own_kubeconfig():
        load(Settings.of("node"), reference)
        return reference
    registry = os.environ.get("W2S_TEST_REGISTRY")
    if not registry:
        raise CannotRun(
            "KUBECONFIG names your own cluster: set W2S_TEST_REGISTRY to where its images may be pushed."
        )
    target = f"{registry}/{reference.removeprefix('localhost/')}"
    buildah("push", reference, f"docker://{target}")
    return target


def load(settings: Settings, reference: str) -> None:
    """Give the node an image that buildah has; what it holds already is not sent again."""
    image = buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference).strip()
    loaded = settings.home / "loaded" / hashlib.sha256(reference.encode()).hexdigest()[:16]
    if loaded.exists() and loaded.read_text() == image:
        return
    if not alive(settings, "containerd"):
        raise ClusterFault(f"No node to give {reference} to: run `make cluster-up` first.")
    loaded.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home) as folder:
        archive = Path(folder) / "image.tar"
        buildah("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")
        command = [
            "ctr",
            "-a",
            str(settings.containerd_socket),
            "-n",
            "k8s.io",
            "images",
            "import",
            str(archive),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ClusterFault(f"containerd did not take {reference}: {done.stderr.strip()}")
    loaded.write_text(image)


def base() -> str:
    """A Debian with Python 3.11, for the Containerfiles' base image argument."""
    reference = f"{BASE}-{hashlib.sha256(repr(_ROOT_FILES).encode()).hexdigest()[:8]}"
    if not _exists(reference):
        with tempfile.TemporaryDirectory(dir=_folder()) as context:
            with network.outside():
                done = subprocess.run([*_ROOT_FILES, f"{context}/rootfs.tar"], capture_output=True, text=True)
            if done.returncode:
                raise ClusterFault(f"mmdebstrap failed: {done.stderr.strip()[-800:]}")
            build(SOURCES / "images/base/Containerfile", Path(context), reference.removeprefix("localhost/"))
    buildah("tag", reference, BASE)
    return BASE


def pause(bin_folder: Path) -> str:
    """The image that holds a pod's namespaces."""
    with tempfile.TemporaryDirectory() as context:
        # No time of its own, so that the layer is the same each time and found in the cache.
        os.utime(shutil.copy(bin_folder / "pause", context), (0, 0))
        return build(SOURCES / "images/pause/Containerfile", Path(context), "w2s-pause:1")


def buildah(*words: str) -> str:
    """Run buildah on our own storage."""
    storage = ["--root", f"{_folder()}/storage", "--runroot", str(_RUN), "--storage-driver", "overlay"]
    with network.outside():
        done = subprocess.run(["buildah", *storage, *words], capture_output=True, text=True)
    if done.returncode:
        raise ClusterFault(f"buildah {words[0]}: {(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout


def _exists(reference: str) -> bool:
    try:
        buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference)
    except ClusterFault:
        return False
    return True


def _folder() -> Path:
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
