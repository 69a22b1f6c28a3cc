"""The operator's and the trainer's image as a release builds them, for the tests of the whole system."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from w2s_cluster import images
from w2s_cluster.errors import ClusterFault
from w2s_cluster.settings import REPOSITORY, cache, locked

NAMES = ("operator", "trainer")
OMIT = "triton nvidia-cuda-cccl nvidia-cusolver nvidia-nvjitlink nvidia-nvtx"
"""Packages of torch that are left out of the trainer's image: 2 GB that a node without GPU never loads."""
_INGREDIENTS = (
    ".dockerignore",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "crds",
    "trainer",
    "cli",
    "operator",
)


def reference(name: str) -> str:
    """The image of this checkout as it is, named by its content; raises `ClusterFault` if it is not built."""
    tag = _tag(name)
    if not images.exists(f"localhost/{tag}"):
        raise ClusterFault(
            f"The {name}'s image of these sources is not built. Run `make e2e`, or `make tools WITH=--release-images`."
        )
    return f"localhost/{tag}"


def build(say: Callable[[str], None]) -> None:
    """Build what `reference` gives, unless these sources were built before on this machine."""
    for name in NAMES:
        tag = _tag(name)
        with locked(cache() / "release-images.lock"):
            if images.exists(f"localhost/{tag}"):
                continue
            say(f"building the {name}'s image")
            with images.checkout(REPOSITORY) as context:
                images.build(context / _containerfile(name), context, tag, _arguments(name))


def _containerfile(name: str) -> str:
    return f"images/{name}.Containerfile"


def _arguments(name: str) -> dict[str, str]:
    return {"BASE": images.base()} | ({"OMIT": OMIT} if name == "trainer" else {})


def _tag(name: str) -> str:
    digest = hashlib.sha256(repr(_arguments(name)).encode())
    for file in _sources(_containerfile(name)):
        content = (REPOSITORY / file).read_bytes()
        digest.update(f"{file} {len(content)}\n".encode() + content)
    return f"w2s-{name}:{digest.hexdigest()[:12]}"


def _sources(containerfile: str) -> list[Path]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"]
    command = [*listing, containerfile, *_INGREDIENTS]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return [Path(file) for file in sorted(listed.splitlines()) if (REPOSITORY / file).is_file()]
