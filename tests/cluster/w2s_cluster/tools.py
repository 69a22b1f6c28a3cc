"""The one place where anything is fetched or built: before the tests, outside of any cluster's network.

Whatever needs one of these later finds it, or says to run `make tools`.
"""

from collections.abc import Callable, Collection

from w2s_cluster import binaries, host, images, network, release_images
from w2s_cluster.kubectl import own_kubeconfig
from w2s_cluster.settings import MODES, Mode

Say = Callable[[str], None]


def make(say: Say, modes: Collection[Mode] = MODES, *, with_release_images: bool = False) -> None:
    """Install packages, build binaries and images, each once for all clones of these sources on this machine.

    Of a cluster that the user's `KUBECONFIG` names nothing is built but the tests' own clients and images.

    Args:
        say: is told what is being done, at least every 15 seconds of a long build.
        modes: of the clusters that will be brought up.
        with_release_images: the operator's and the trainer's image too, which the end-to-end tests run.

    Raises:
        CannotRun: this machine lacks something that cannot be installed.
        ClusterFault: a build failed, or this process is in the network of a test cluster.
    """
    network.require_way_out()
    if own := own_kubeconfig():
        say(f"KUBECONFIG names a cluster of your own ({own}): no Kubernetes is built")
    else:
        for mode in modes:
            host.install(mode, say)
        binaries.build_cluster(say)
    if "kwok" in modes:
        binaries.build_gitops_engines(say)
    if "node" in modes:
        host.install("images", say)
        images.make_base(say)
    if with_release_images:
        release_images.build(say)
