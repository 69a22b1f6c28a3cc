"""etcd, API server, controller manager and scheduler, with RBAC and Pod Security as a real cluster has them."""

import json
from pathlib import Path

from w2s_cluster.errors import ClusterFault
from w2s_cluster.kubectl import kubectl
from w2s_cluster.process import start, wait_for
from w2s_cluster.settings import API_PORT, GATEWAY, SERVICE_RANGE, Settings

_ETCD = "http://127.0.0.1:2379"
_PEERS = "http://127.0.0.1:2380"

# Kubernetes' own parts must not be what a test or a measurement waits for.
_SERVER_RATES = ["--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"]
_CLIENT_RATES = ["--kube-api-qps=2000", "--kube-api-burst=4000"]
_CONTROLLER_RATES = [*_CLIENT_RATES, "--concurrent-job-syncs=50", "--concurrent-gc-syncs=40"]

# Who asks for what, for tests of the operator's rights and of its calls; Kubernetes' own talk is left out.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:nodes"]},
        {
            "level": "None",
            "users": ["system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"],
        },
        {"level": "None", "users": ["system:apiserver", "kwok"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
        {"level": "Metadata"},
    ],
}


def up(settings: Settings, bin_folder: Path) -> None:
    """Start what does not run yet, and wait until the API server is ready."""
    _etcd(settings, bin_folder)
    _api_server(settings, bin_folder)
    wait_for(settings, "kube-apiserver", 90, "the API server's /readyz", lambda: ready(settings))
    _clients(settings, bin_folder)


def ready(settings: Settings) -> bool:
    """Whether the API server says that it is ready."""
    try:
        return kubectl("get", "--raw", "/readyz", "--request-timeout=2s", mode=settings.mode) == "ok"
    except ClusterFault:
        return False


def _etcd(settings: Settings, bin_folder: Path) -> None:
    start(settings, "etcd", bin_folder / "etcd", "--name=w2s", f"--data-dir={settings.home / 'etcd'}",
          f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}",
          f"--listen-peer-urls={_PEERS}", f"--initial-advertise-peer-urls={_PEERS}", f"--initial-cluster=w2s={_PEERS}",
          "--unsafe-no-fsync",  # nothing here must survive a power cut
          "--log-level=warn")  # fmt: skip


def _api_server(settings: Settings, bin_folder: Path) -> None:
    pki = settings.pki
    policy = settings.home / "audit-policy.json"
    policy.write_text(json.dumps(_AUDIT_POLICY))
    start(settings, "kube-apiserver", bin_folder / "kube-apiserver",
          f"--etcd-servers={_ETCD}", f"--bind-address={GATEWAY}", f"--advertise-address={GATEWAY}",
          f"--secure-port={API_PORT}", f"--service-cluster-ip-range={SERVICE_RANGE}",
          f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
          f"--client-ca-file={pki / 'ca.crt'}",
          "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
          f"--service-account-key-file={pki / 'service-accounts.pub'}",
          f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
          f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
          f"--kubelet-client-key={pki / 'kubelet-client.key'}",
          f"--kubelet-certificate-authority={pki / 'ca.crt'}",
          "--kubelet-preferred-address-types=InternalIP",
          "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,PodSecurity",
          f"--audit-policy-file={policy}", f"--audit-log-path={settings.audit_log}",
          "--audit-log-maxsize=200", "--audit-log-maxbackup=1", "--allow-privileged=true", "--profiling=false",
          *_SERVER_RATES)  # fmt: skip


def _clients(settings: Settings, bin_folder: Path) -> None:
    pki = settings.pki
    start(settings, "kube-controller-manager", bin_folder / "kube-controller-manager",
          *_identity(settings, "controller-manager"), "--use-service-account-credentials",
          f"--service-account-private-key-file={pki / 'service-accounts.key'}", f"--root-ca-file={pki / 'ca.crt'}",
          f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
          f"--flex-volume-plugin-dir={settings.home / 'volume-plugins'}",
          *_CONTROLLER_RATES)  # fmt: skip
    start(settings, "kube-scheduler", bin_folder / "kube-scheduler",
          *_identity(settings, "scheduler"), *_CLIENT_RATES)  # fmt: skip


def _identity(settings: Settings, user: str) -> list[str]:
    file = settings.kubeconfig(user)
    return [
        f"--{kind}={file}" for kind in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    ] + [
        "--bind-address=127.0.0.1",
        f"--cert-dir={settings.home / user}",
        "--leader-elect=false",
        "--profiling=false",
    ]
