"""A Kubernetes cluster for tests, on one machine and away from everything else on it.

Two modes: `node` has a kubelet and real pods, `kwok` has fake nodes for scale. `KUBECONFIG` in the environment
means a cluster of the user's own, which is used in place of both. See docs/cluster.md.

    from w2s_cluster import up, enter, kubeconfig, store_host

    up("node")
    with enter("node"):                 # this thread, and what it starts, is in the cluster's network now
        client = kubernetes.config.new_client_from_config(str(kubeconfig("node")))
        server = start_store(host=store_host("node"))      # pods reach it there
"""

from w2s_cluster.errors import CannotRun, ClusterFault
from w2s_cluster.kubectl import fake_nodes, kubectl, lose_fake_node
from w2s_cluster.lifecycle import down, enter, is_up, kubeconfig, store_host, up, used
from w2s_cluster.settings import PATIENCE, Mode, Settings

__all__ = [
    "PATIENCE",
    "CannotRun",
    "ClusterFault",
    "Mode",
    "Settings",
    "down",
    "enter",
    "fake_nodes",
    "is_up",
    "kubeconfig",
    "kubectl",
    "lose_fake_node",
    "store_host",
    "up",
    "used",
]
