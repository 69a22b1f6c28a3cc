"""One real node: containerd with a bridge network, kubelet, kube-proxy."""

import json
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from w2s_cluster import host, images, network
from w2s_cluster.errors import CannotRun, ClusterFault
from w2s_cluster.kubectl import kubectl
from w2s_cluster.process import alive, start, stop, wait, wait_for
from w2s_cluster.settings import BRIDGE, FIRST_POD, GATEWAY, NODE_NAME, POD_RANGE, SERVICE_RANGE, Settings

PAUSE = "localhost/w2s-pause:1"

# The kubelet has paths that cannot be moved (/var/lib/kubelet/device-plugins), so there is one on a machine.
_OWNER = Path("/run/w2s-cluster-node")
# What the kubelet writes at its start, for the whole machine.
_SYSCTLS = ["vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops"]
_SYSCTLS += ["kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes"]


def claim_machine(settings: Settings) -> None:
    """Raises `CannotRun` while another folder's kubelet runs."""
    try:
        owner = Settings("node", Path(_OWNER.read_text()))
    except OSError:
        owner = settings
    if owner != settings and alive(owner, "kubelet"):
        raise CannotRun(
            f"A test cluster with a kubelet runs already on this machine, in {owner.home}; there can be one. "
            f"End it: W2S_CLUSTER_DIR={owner.home.parent} make cluster-down"
        )
    _OWNER.write_text(str(settings.home))


def up(settings: Settings, bin_folder: Path) -> None:
    """Start what does not run yet, and wait until the node is Ready."""
    _containerd(settings)
    images.load(settings, images.pause(bin_folder))
    with _sysctls_kept(settings):
        began = 0.0 if alive(settings, "kubelet") else time.time()
        _kubelet(settings, bin_folder)
        wait_for(settings, "kubelet", 90, f"node {NODE_NAME} to be Ready", lambda: _is_ready(since=began))
    _kube_proxy(settings, bin_folder)


def down(settings: Settings) -> None:
    """End the node and its pods, and take back what they left on the machine."""
    stop(settings, "kubelet")
    _restore_sysctls(settings)
    if alive(settings, "containerd"):
        _end_containers(settings)
    stop(settings, "containerd")
    stop(settings, "kube-proxy")
    _unmount(settings.home)
    _remove_cgroups(settings)
    _remove_traces(settings)
    if _OWNER.exists() and _OWNER.read_text() == str(settings.home):
        _OWNER.unlink()


def _containerd(settings: Settings) -> None:
    home = settings.home
    config = home / "containerd.toml"
    config.write_text(f"""\
version = 2
root = "{home}/containerd/root"
state = "{home}/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{settings.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE a negative one would end every sandbox
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{host.cni_folder()}"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
""")
    (home / "cni").mkdir(exist_ok=True)
    (home / "cni" / "10-w2s.conflist").write_text(json.dumps(_pod_network(settings)))
    start(settings, "containerd", "containerd", "--config", config)
    wait_for(settings, "containerd", 30, "its socket", lambda: _ctr_answers(settings))


def _pod_network(settings: Settings) -> dict[str, object]:
    """A bridge without default route and masquerade: pods reach the bridge and services, and nothing else."""
    addresses = {
        "type": "host-local",
        "dataDir": str(settings.home / "cni-addresses"),
        "ranges": [[{"subnet": POD_RANGE, "rangeStart": FIRST_POD, "gateway": GATEWAY}]],
        "routes": [{"dst": SERVICE_RANGE, "gw": GATEWAY}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {"cniVersion": "1.0.0", "name": settings.identity, "plugins": [bridge | {"ipam": addresses}]}


def _ctr_answers(settings: Settings) -> bool:
    # ctr waits 10 s on a socket that nobody serves.
    if not settings.containerd_socket.exists():
        return False
    command = ["ctr", "-a", str(settings.containerd_socket), "--timeout", "1s", "version"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _kubelet(settings: Settings, bin_folder: Path) -> None:
    home, pki = settings.home, settings.pki
    _create_cgroup(settings)
    (home / "resolv.conf").touch()
    config = home / "kubelet.json"
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": GATEWAY,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{settings.containerd_socket}",
        "podLogsDir": str(home / "pod-logs"),
        "volumePluginDir": str(home / "volume-plugins"),
        "resolvConf": str(home / "resolv.conf"),
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.identity}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "makeIPTablesUtilChains": False,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        # A disk that is nearly full is no reason to evict, nor to collect images that nobody can pull again.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "200Mi",  # a share of what the disk says it has may be more than it can hold
            "imagefs.available": "200Mi",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
    config.write_text(json.dumps(content, indent=1))
    start(settings, "kubelet", bin_folder / "kubelet", f"--config={config}",
          f"--kubeconfig={settings.kubeconfig('node')}", f"--root-dir={home / 'kubelet'}",
          f"--hostname-override={NODE_NAME}", f"--node-ip={GATEWAY}")  # fmt: skip


def _is_ready(since: float) -> bool:
    """Whether the kubelet said so, and not the one before it (`since`: seconds of the epoch)."""
    path = '{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}'
    try:
        status, heartbeat = kubectl("get", "node", NODE_NAME, "-o", f"jsonpath={path}", mode="node").split()
    except (ClusterFault, ValueError):
        return False  # it has not registered yet
    return status == "True" and datetime.fromisoformat(heartbeat).timestamp() >= int(since)


def _kube_proxy(settings: Settings, bin_folder: Path) -> None:
    config = settings.home / "kube-proxy.json"
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "127.0.0.1",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": NODE_NAME,
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        "clientConnection": {"kubeconfig": str(settings.kubeconfig("proxy"))},
        # Limits of connection tracking belong to the machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        # Pods share a bridge: an answer from pod to pod would else pass by the address translation.
        "iptables": {"masqueradeAll": True, "localhostNodePorts": False},
    }
    text = json.dumps(content, indent=1)
    if (
        not config.exists() or config.read_text() != text
    ):  # kube-proxy exits when its file is written, even unchanged
        config.write_text(text)
    start(settings, "kube-proxy", bin_folder / "kube-proxy", f"--config={config}")


@contextmanager
def _sysctls_kept(settings: Settings) -> Iterator[None]:
    """Put back what the kubelet writes while it starts."""
    saved = settings.home / "sysctls"
    if not saved.exists():
        shown = subprocess.run(["sysctl", "-e", *_SYSCTLS], check=True, capture_output=True, text=True).stdout
        saved.write_text(shown)
    try:
        yield
    finally:
        _restore_sysctls(settings)


def _restore_sysctls(settings: Settings) -> None:
    saved = settings.home / "sysctls"
    if saved.exists():
        subprocess.run(["sysctl", "-q", "-e", "-p", saved], check=False, capture_output=True)
        saved.unlink()


def _end_containers(settings: Settings) -> None:
    def ctr(*words: str) -> list[str]:
        command = ["ctr", "-a", str(settings.containerd_socket), "-n", "k8s.io", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.split()

    for task in ctr("tasks", "ls", "-q"):
        ctr("tasks", "kill", "--all", "--signal", "SIGKILL", task)

    def no_tasks() -> bool:
        for task in ctr("tasks", "ls", "-q"):
            ctr("tasks", "delete", task)
        return not ctr("tasks", "ls", "-q")

    wait(20, "the containers to end", no_tasks)
    for container in ctr("containers", "ls", "-q"):
        ctr("containers", "delete", container)
    for pod in network.pod_namespaces(settings):
        subprocess.run(["ip", "netns", "delete", pod], check=False, capture_output=True)


def _unmount(home: Path) -> None:
    """Whatever is mounted below the folder, which is removed next: a volume may be a folder of the user's."""
    for mount in _mounts_below(home):
        subprocess.run(["umount", mount], check=False, capture_output=True)
    for mount in _mounts_below(home):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    if left := _mounts_below(home):
        raise ClusterFault(f"These are still mounted, so {home} is left as it is: {', '.join(left)}")


def _mounts_below(home: Path) -> list[str]:
    """Mount points, the innermost first."""
    # The kernel writes a blank of a path as \040.
    points = [
        line.split()[1].encode().decode("unicode_escape")
        for line in Path("/proc/mounts").read_text().splitlines()
    ]
    return sorted((point for point in points if point.startswith(f"{home}/")), reverse=True)


def _cgroup_roots() -> list[Path]:
    """The root of every hierarchy: one on cgroup v2, one a controller on v1."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top]
    return sorted({folder.resolve() for folder in top.iterdir() if (folder / "cgroup.procs").exists()})


def _create_cgroup(settings: Settings) -> None:
    """The pods' parent: not the machine's own /kubepods, so that it is plain what is ours."""
    for root in _cgroup_roots():
        (root / settings.identity).mkdir(exist_ok=True)
        offered = root / "cgroup.controllers"
        if offered.exists():  # version 2: children have what the parent passes on
            (root / "cgroup.subtree_control").write_text(
                " ".join(f"+{name}" for name in offered.read_text().split())
            )


def _remove_cgroups(settings: Settings) -> None:
    for root in _cgroup_roots():
        ours = root / settings.identity
        folders = [folder for folder in ours.rglob("*") if folder.is_dir()] if ours.exists() else []
        for folder in [*sorted(folders, reverse=True), ours]:
            if folder.exists():
                folder.rmdir()


def _remove_traces(settings: Settings) -> None:
    """What CNI and the kubelet keep in places that cannot be chosen."""
    for cached in Path("/var/lib/cni/results").glob(f"{settings.identity}-*"):
        container = cached.name.removeprefix(f"{settings.identity}-").removesuffix("-eth0")
        cached.unlink()
        cached.with_name(f"cni-loopback-{container}-lo").unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and link.readlink().is_relative_to(settings.home):
            link.unlink()
    addresses = settings.home / "cni-addresses"
    for taken in addresses.rglob("*"):
        if taken.is_file():
            taken.unlink()
