"""Requests to the API server, as kubectl would make them; refusals become lines for people."""

import argparse
import difflib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from w2s_api.names import API_VERSION, KIND, PLURAL
from w2s_cli.kubectl.errors import ClusterError, NotThere, Refused, Unreachable
from w2s_cli.kubectl.job import SeenJob

FIELD_MANAGER = "kubectl-w2s"

_CONNECT, _SILENCE = 10.0, 30.0
"""Seconds to connect, and without a byte."""
_WATCH_SECONDS = 240
_MOST_NAMES = 5
_PAUSE = 1.0
"""Seconds from the end of a watch to the next."""
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the job, and where it is."""
    parser.add_argument("name", type=_name, metavar="NAME", help=f"of the {KIND}")
    parser.add_argument("-n", "--namespace", metavar="NS", help="default: that of the context")
    parser.add_argument("--context", metavar="NAME", help="of the kubeconfig (default: the current one)")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: KUBECONFIG, else ~/.kube/config")


def _name(text: str) -> str:
    if not text or "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a {KIND}")
    return text


class Cluster:
    """One API server, with one namespace in view.

    All methods raise `Unreachable` when it does not answer and `Refused` when it does not let the user do it.

    Args:
        api: `kubernetes.client.ApiClient`: of it we take the connection (TLS, proxy, tokens), which is the hard
            part, and leave the typed calls, which differ from release to release.
        namespace: in which jobs are looked up.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self._api = api
        self._host = str(api.configuration.host).rstrip("/")
        self.namespace = namespace

    def raw_job(self, name: str) -> dict[str, Any]:
        """Returns a job as the API server has it; NotThere, with the names of other jobs, if there is none."""
        try:
            return self._json("GET", f"{self._jobs}/{name}")
        except _NoObject:
            raise NotThere(self._no_such_job(name)) from None

    def job(self, name: str) -> SeenJob:
        """Returns the same, parsed."""
        return SeenJob.of(self.raw_job(name))

    def patch(self, name: str, body: Mapping[str, Any]) -> SeenJob:
        """Merges into a job (RFC 7396)."""
        try:
            return SeenJob.of(
                self._json("PATCH", f"{self._jobs}/{name}", {"fieldManager": FIELD_MANAGER}, body=body)
            )
        except _NoObject:
            raise NotThere(self._no_such_job(name)) from None

    def watch(self, name: str) -> Iterator[dict[str, Any]]:
        """Yields a job now and whenever it changes, until it is deleted; the same state may come twice."""
        while True:
            yield self.raw_job(name)
            for event in self._events(self._jobs, name):
                if event["type"] == "DELETED":
                    return
                yield event["object"]
            time.sleep(_PAUSE)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Returns pods of the namespace by their labels."""
        pods: list[dict[str, Any]] = self._json("GET", self._pods, {"labelSelector": selector})["items"]
        return pods

    def pod_changes(self, name: str) -> Iterator[dict[str, Any]]:
        """Yields a pod now and whenever it changes, until it is deleted or some minutes are over."""
        for event in self._events(self._pods, name):
            if event["type"] == "DELETED":
                return
            yield event["object"]

    def log(self, pod: str, container: str, *, follow: bool, times: bool, tail: int | None) -> Iterator[str]:
        """Lines of the log of a container.

        Args:
            pod: its name.
            container: its name.
            follow: continue until the container ends.
            times: each line begins with its time, RFC 3339.
            tail: how many lines of what there is; None for all.

        Raises:
            NotThere: the pod is gone.
            ClusterError: its container has not started.
        """
        query = {"container": container, "follow": str(follow).lower(), "timestamps": str(times).lower()}
        query |= {} if tail is None else {"tailLines": str(tail)}
        try:
            silence = None if follow else _SILENCE
            with self._send("GET", f"{self._pods}/{pod}/log", query, silence=silence) as response:
                yield from (line.decode(errors="replace") for line in _lines(response))
        except _NoObject:
            raise NotThere(f"Pod {pod} is gone, and its log with it.") from None

    def config_map(self, name: str) -> Mapping[str, str]:
        """Returns the texts of a ConfigMap."""
        try:
            config_map = self._json("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
            return config_map.get("data") or {}
        except _NoObject:
            raise NotThere(f"There is no ConfigMap {name} in namespace {self.namespace}.") from None

    @property
    def _jobs(self) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{PLURAL}"

    @property
    def _pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def _events(self, path: str, name: str) -> Iterator[Any]:
        """Events of one object until the watch ends; one that breaks off, or is too old, has ended."""
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        with self._send("GET", path, query, silence=_WATCH_SECONDS + 30, may_break=True) as response:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event

    def _json(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: str = "application/json",
    ) -> dict[str, Any]:
        with self._send(verb, path, query or {}, body, accept=accept) as response:
            answer: dict[str, Any] = json.loads(response.read())
            return answer

    @contextmanager
    def _send(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json",
        silence: float | None = _SILENCE,
        may_break: bool = False,
    ) -> Iterator[Any]:
        """Sends one request and gives its response, to be read inside the block.

        Args:
            verb: of HTTP.
            path: below the server.
            query: parameters.
            body: to be merged.
            accept: the form of the answer.
            silence: seconds without a byte after which the server is given up.
            may_break: whether an answer that breaks off simply ends.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

        token = self._api.configuration.auth_settings().get("BearerToken") or {}
        headers = {"Accept": accept} | ({"Authorization": token["value"]} if token else {})
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        began = False
        try:
            response = self._api.rest_client.pool_manager.request(
                verb,
                f"{self._host}{quote(path)}?{urlencode(query)}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=Timeout(connect=_CONNECT, read=silence),
                preload_content=False,
            )
            try:
                if response.status >= 400:
                    raise _refusal(response.status, response.read().decode(errors="replace"), self._host)
                began = True
                yield response
            finally:
                response.close()
        except HTTPError as error:
            if began and may_break and isinstance(error, ProtocolError | ReadTimeoutError):
                return
            raise Unreachable(
                f"The API server {self._host} does not answer: {_cause(error)} Is the cluster up, and the VPN?"
            ) from error

    def _names(self) -> dict[str, list[str]] | None:
        """Returns names of jobs by namespace: of all, else of this one; None where the user may list neither."""
        for path in (f"/apis/{API_VERSION}/{PLURAL}", self._jobs):
            with suppress(Refused):
                listed = self._json("GET", path, {"limit": "1000"}, accept=_NAMES_ONLY)["items"] or ()
                names: dict[str, list[str]] = {}
                for job in listed:
                    names.setdefault(job["metadata"]["namespace"], []).append(job["metadata"]["name"])
                return names
        return None

    def _no_such_job(self, name: str) -> str:
        return no_such_job(name, self.namespace, self._names())


def no_such_job(name: str, namespace: str, known: Mapping[str, Sequence[str]] | None) -> str:
    """Says that no job has a name, and which was meant, if there is one like it.

    Args:
        name: as it was typed.
        namespace: where it was looked for.
        known: names of jobs by namespace; None if nothing is known.
    """
    absent = f"There is no {KIND} {name} in namespace {namespace}."
    if known is None:
        return absent
    if elsewhere := sorted(place for place, names in known.items() if name in names):
        return f"{absent} There is one in {_some(elsewhere)}: add -n {elsewhere[0]}."
    here = sorted(known.get(namespace, ()))
    if close := difflib.get_close_matches(name, here, n=3):
        return f"{absent} Did you mean {' or '.join(close)}?"
    return f"{absent} There is none in it." if not here else f"{absent} There is: {_some(here)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def connect(arguments: argparse.Namespace) -> Cluster:
    """Connects by kubeconfig and context, as kubectl does; in a pod without either, by its service account.

    Raises:
        ClusterError: there is no such thing, or it cannot be understood.
    """
    import yaml
    from kubernetes import config

    file, context = arguments.kubeconfig, arguments.context
    if file and not Path(file).is_file():
        raise ClusterError(f"{file}: there is no such kubeconfig.")
    try:
        contexts, active = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
        chosen = next((entry for entry in contexts if entry["name"] == context), None) if context else active
        if chosen is None:
            known = ", ".join(sorted(entry["name"] for entry in contexts)) or "none"
            raise ClusterError(f"The kubeconfig has no context {context}. It has: {known}.")
        api = config.new_client_from_config(file, chosen["name"])  # type: ignore[no-untyped-call]
        return Cluster(api, arguments.namespace or chosen["context"].get("namespace") or "default")
    except config.ConfigException as error:
        if not file and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
            return _in_pod(arguments.namespace)
        raise ClusterError(
            f"No cluster to talk to: {_sentence(error)} Name a kubeconfig by --kubeconfig or KUBECONFIG;"
            " `kubectl config get-contexts` shows what there is."
        ) from error
    except (yaml.YAMLError, OSError, ValueError, TypeError) as error:
        raise ClusterError(f"The kubeconfig cannot be read: {_sentence(error)}") from error


def _in_pod(namespace: str | None) -> Cluster:
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise ClusterError(f"No cluster to talk to: {_sentence(error)}") from error
    here = _IN_POD.read_text().strip() if _IN_POD.is_file() else "default"
    return Cluster(client.ApiClient(configuration), namespace or here)


class _NoObject(Exception):
    """The API server knows the kind, and has no object of that name."""


def _lines(response: Any) -> Iterator[bytes]:
    """Lines as they arrive, without their ends."""
    rest = b""
    for chunk in response.stream(amt=None):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _refusal(code: int, body: str, host: str) -> Exception:
    """Returns the error that an answer of the API server means."""
    try:
        plain = json.loads(body)
    except ValueError:
        plain = None
    known = plain if isinstance(plain, dict) else {}
    message = _sentence(known.get("message") or body)
    if code == 401:
        return Refused(f"The API server {host} does not know you: log in again, or choose another --context.")
    if code == 403:
        return Refused(
            f"{message} The roles `view` (to look) and `edit` (to change) have these rights"
            " where the chart is installed."
        )
    if code == 404 and (known.get("details") or {}).get("name"):
        return _NoObject()
    if code == 404:
        return NotThere(
            f"The cluster knows no {KIND}: its definition is not installed. Install the chart w2s-operator,"
            " or choose another --context."
        )
    if code == 0 or code == 429 or code >= 500:
        return Unreachable(f"The API server {host} has trouble: {message}")
    return ClusterError(message)


def _cause(error: Exception) -> str:
    """Says what is behind a failed request, without the names of classes."""
    reason = getattr(error, "reason", None) or error
    return _sentence(str(reason).rpartition(": ")[2] or reason)


def _sentence(message: object) -> str:
    text = " ".join(str(message).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
