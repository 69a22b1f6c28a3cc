"""Images without a registry: built by buildah from our Containerfiles, loaded into the node's containerd.

buildah's storage is in the cache folder, so that layers are shared by all clones and the machine's own stay away.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from w2s_cluster.errors import CannotRun, ClusterFault
from w2s_cluster.kubectl import own_kubeconfig
from w2s_cluster.process import alive
from w2s_cluster.settings import SOURCES, Settings, cache, locked

BASE = "localhost/w2s-test-base:bookworm"

_AGE = 1_600_000_000  # seconds since the epoch
_RUN = Path("/run/w2s-images")  # buildah wants it gone after a reboot
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_ROOT_FILES = [
    "mmdebstrap",
    "--quiet",
    "--variant=essential",
    "--include=ca-certificates,libstdc++6,python3,python3-pip,python3-venv",
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

    Layers are cached by content. `RUN` steps reach the package registries that this process reaches (in the network
    of a cluster: none), and trust the certificate authorities that it trusts; neither ends up in the image.
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


@contextmanager
def checkout(repository: Path) -> Iterator[Path]:
    """A build context with what git knows or would take, each file of the same age.

    buildah takes a file of another age for another file: layers of several GB would be made anew in each clone.
    """
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(listing, cwd=repository, check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for name in listed.splitlines():
            if (repository / name).is_file():
                target = context / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(repository / name, target)
        for path in context.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (_AGE, _AGE))
        yield context


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
    with locked(settings.home / "images.lock"):
        _load(settings, reference)


def _load(settings: Settings, reference: str) -> None:
    image = buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference).strip()
    loaded = settings.home / "loaded" / hashlib.sha256(reference.encode()).hexdigest()[:16]
    if loaded.exists() and loaded.read_text() == image:
        return
    if not alive(settings, "containerd"):
        raise ClusterFault(f"No node to give {reference} to: run `make cluster-up` first.")
    try:
        _import(settings, reference)
    except ClusterFault:
        # A layer that it had may be gone: all are sent again.
        shutil.rmtree(_layout(settings), ignore_errors=True)
        _import(settings, reference)
    loaded.parent.mkdir(exist_ok=True)
    loaded.write_text(image)


def _layout(settings: Settings) -> Path:
    """An OCI layout of what the node was sent. Of sent layers it holds the sizes only, as files that are all hole."""
    return settings.home / "sent-images"


def _import(settings: Settings, reference: str) -> None:
    """Send the layers of an image that the node was not sent yet: of an image of several GB mostly the last."""
    layout = _layout(settings)
    buildah("push", "--quiet", reference, f"oci:{layout}:{reference}")
    named = "org.opencontainers.image.ref.name"
    index = json.loads((layout / "index.json").read_text())
    entry = next(one for one in index["manifests"] if one["annotations"].get(named) == reference)
    manifest = json.loads(_blob(layout, entry).read_text())
    new = [one for one in map(partial(_blob, layout), manifest["layers"]) if not _is_hole(one)]
    entry["annotations"] = {"io.containerd.image.name": reference}
    ctr = ["ctr", "-a", str(settings.containerd_socket), "-n", "k8s.io", "images", "import", "-"]
    receiver = subprocess.Popen(ctr, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert receiver.stdin is not None
    with suppress(BrokenPipeError), tarfile.open(fileobj=receiver.stdin, mode="w|") as archive:
        _add(archive, "index.json", json.dumps({**index, "manifests": [entry]}).encode())
        for path in [layout / "oci-layout", _blob(layout, entry), _blob(layout, manifest["config"]), *new]:
            archive.add(path, str(path.relative_to(layout)))
    said = receiver.communicate()[0].decode()
    if receiver.returncode:
        raise ClusterFault(f"containerd did not take {reference}: {said.strip()}")
    for path in new:
        size = path.stat().st_size
        os.truncate(path, 0)
        os.truncate(path, size)


def _blob(layout: Path, descriptor: Mapping[str, Any]) -> Path:
    return layout / "blobs" / str(descriptor["digest"]).replace(":", "/")


def _is_hole(path: Path) -> bool:
    return path.stat().st_size > 0 and path.stat().st_blocks == 0


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def base() -> str:
    """A Debian with Python 3.11, for the Containerfiles' base image argument.

    Raises `ClusterFault` if `make tools` has not made it.
    """
    reference = _base_reference()
    if not exists(reference):
        raise ClusterFault("The base image of test images is not there. Run `make tools`.")
    buildah("tag", reference, BASE)
    return BASE


def make_base(say: Callable[[str], None]) -> None:
    """Make what `base` gives from Debian's packages, unless it was made before on this machine."""
    with locked(_folder() / "base.lock"):
        if exists(_base_reference()):
            return
        say("making the base image from Debian's packages")
        with tempfile.TemporaryDirectory(dir=_folder()) as context:
            done = subprocess.run([*_ROOT_FILES, f"{context}/rootfs.tar"], capture_output=True, text=True)
            if done.returncode:
                raise ClusterFault(f"mmdebstrap failed: {done.stderr.strip()[-800:]}")
            tag = _base_reference().removeprefix("localhost/")
            build(SOURCES / "images/base/Containerfile", Path(context), tag)


def _base_reference() -> str:
    return f"{BASE}-{hashlib.sha256(repr(_ROOT_FILES).encode()).hexdigest()[:8]}"


def pause(bin_folder: Path) -> str:
    """The image that holds a pod's namespaces."""
    with tempfile.TemporaryDirectory() as context:
        # No time of its own, so that the layer is the same each time and found in the cache.
        os.utime(shutil.copy(bin_folder / "pause", context), (0, 0))
        return build(SOURCES / "images/pause/Containerfile", Path(context), "w2s-pause:1")


def buildah(*words: str) -> str:
    """Run buildah on our own storage."""
    storage = ["--root", f"{_folder()}/storage", "--runroot", str(_RUN), "--storage-driver", "overlay"]
    done = subprocess.run(["buildah", *storage, *words], capture_output=True, text=True)
    if done.returncode:
        raise ClusterFault(f"buildah {words[0]}: {(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout


def exists(reference: str) -> bool:
    """Whether buildah has an image of this reference."""
    try:
        buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference)
    except ClusterFault:
        return False
    return True


def _folder() -> Path:
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
