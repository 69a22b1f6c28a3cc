"""One certificate authority and a client certificate for each component, by openssl (P-256)."""

import json
import subprocess
from pathlib import Path

from w2s_cluster.settings import API_PORT, GATEWAY, KUBERNETES_SERVICE, NODE_NAME, Settings

_API_NAMES = (
    f"IP:{GATEWAY},IP:127.0.0.1,IP:{KUBERNETES_SERVICE},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,"
    "DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
)
_NODE = f"/O=system:nodes/CN=system:node:{NODE_NAME}"

# name, subject, names of a server (none: a client)
_CERTIFICATES = [
    ("apiserver", "/CN=kube-apiserver", _API_NAMES),
    ("kubelet-server", _NODE, f"IP:{GATEWAY},IP:127.0.0.1,DNS:{NODE_NAME}"),
    ("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", ""),
    ("admin", "/O=system:masters/CN=admin", ""),
    ("controller-manager", "/CN=system:kube-controller-manager", ""),
    ("scheduler", "/CN=system:kube-scheduler", ""),
    ("proxy", "/CN=system:kube-proxy", ""),
    ("kwok", "/O=system:masters/CN=kwok", ""),
    ("node", _NODE, ""),
]
USERS = ["admin", "controller-manager", "scheduler", "proxy", "kwok", "node"]


def create(settings: Settings) -> None:
    """Certificates, the key of service accounts, and a kubeconfig for every user. What exists is kept."""
    pki = settings.pki
    pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (pki / "ca.crt").exists():
        _openssl(pki, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650", "-subj", "/CN=w2s-tests",
                 "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip
    for name, subject, server_names in _CERTIFICATES:
        if not (pki / f"{name}.crt").exists():
            _issue(pki, name, subject, server_names)
    if not (pki / "service-accounts.pub").exists():
        _openssl(pki, "ecparam -name prime256v1 -genkey -noout -out service-accounts.key")
        _openssl(pki, "ec -in service-accounts.key -pubout -out service-accounts.pub")
    for user in USERS:
        _write_kubeconfig(settings, user)


def _issue(pki: Path, name: str, subject: str, server_names: str) -> None:
    extensions = ["basicConstraints=CA:FALSE", "keyUsage=digitalSignature"]
    extensions += [f"extendedKeyUsage={'serverAuth' if server_names else 'clientAuth'}"]
    extensions += [f"subjectAltName={server_names}"] if server_names else []
    (pki / f"{name}.ext").write_text("\n".join(extensions) + "\n")
    _openssl(pki, "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes", "-subj", subject,
             "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
    _openssl(pki, "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650", "-in", f"{name}.csr",
             "-extfile", f"{name}.ext", "-out", f"{name}.crt")  # fmt: skip


def _openssl(pki: Path, words: str, *more: str) -> None:
    subprocess.run(["openssl", *words.split(), *more], cwd=pki, check=True, capture_output=True)


def _write_kubeconfig(settings: Settings, user: str) -> None:
    pki, file = settings.pki, settings.kubeconfig(user)
    file.touch(mode=0o600)
    cluster = {"server": f"https://{GATEWAY}:{API_PORT}", "certificate-authority": str(pki / "ca.crt")}
    keys = {"client-certificate": str(pki / f"{user}.crt"), "client-key": str(pki / f"{user}.key")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "w2s", "cluster": cluster}],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": "w2s", "context": {"cluster": "w2s", "user": user}}],
        "current-context": "w2s",
    }
    file.write_text(json.dumps(content, indent=1))  # JSON is YAML
