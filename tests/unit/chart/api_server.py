"""As much of an API server as the operator talks to, on loopback: it keeps objects, serves watches, plays the
controllers that make and end pods, and writes down what was asked of it."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Object = dict[str, Any]

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?"
)
_BORN = "2026-11-21T00:00:00Z"
_KINDS = {
    ("", "v1"): [("pods", "Pod"), ("events", "Event"), ("namespaces", "Namespace")],
    ("batch", "v1"): [("jobs", "Job")],
    ("apiextensions.k8s.io", "v1"): [("customresourcedefinitions", "CustomResourceDefinition")],
    ("w2s.dev", "v1alpha1"): [("weaktostrongjobs", "WeakToStrongJob")],
}


@dataclass(frozen=True)
class Right:
    """What RBAC lets one do or not."""

    group: str
    resource: str
    verb: str


@dataclass(frozen=True)
class Asked:
    """A request for a resource."""

    right: Right
    namespace: str | None
    body: Any


class ApiServer:
    """Objects of any kind by (group, resource, namespace, name)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.objects: dict[tuple[str, str, str, str], Object] = {}
        self.lose_answers = 0
        """So many next creations of Jobs are answered with AlreadyExists, as after an answer that was lost."""
        self.changed: Callable[[str, Object], None] = lambda _resource, _object: None
        """Is told of each object that came or changed: controllers hang here."""
        self._version = itertools.count(1)
        self._watches: list[tuple[str, str, str | None, asyncio.Queue[bytes]]] = []
        self._grown = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Its URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            for *_, queue in self._watches:
                queue.put_nowait(b"")
            await runner.cleanup()

    async def until(self, holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Waits for a condition, which only a request can bring about."""
        async with asyncio.timeout(seconds):
            try:
                while not holds():
                    self._grown.clear()
                    await self._grown.wait()
            except asyncio.CancelledError:
                raise AssertionError(f"not within {seconds} s: {what}; asked: {self.rights()}") from None

    def rights(self) -> set[Right]:
        """Those that the requests so far need, with what an owner reference that blocks deletion needs."""
        found = {one.right for one in self.asked}
        for one in self.asked:
            for owner in ((one.body or {}).get("metadata") or {}).get("ownerReferences") or ():
                if one.right.verb == "create" and owner.get("blockOwnerDeletion"):
                    group, plural = owner["apiVersion"].partition("/")[0], owner["kind"].lower() + "s"
                    found.add(Right(group, f"{plural}/finalizers", "update"))
        return found

    def of(self, resource: str) -> list[Object]:
        return [one for key, one in self.objects.items() if key[1] == resource]

    def put(self, group: str, resource: str, new: Object) -> Object:
        """An object came or changed."""
        meta = new["metadata"]
        if "generateName" in meta and "name" not in meta:
            meta["name"] = f"{meta['generateName']}{next(self._version)}"
        key = (group, resource, meta["namespace"], meta["name"])
        version = str(next(self._version))
        meta.setdefault("uid", f"uid-{version}")
        meta.setdefault("creationTimestamp", _BORN)
        meta.setdefault("generation", 1)
        meta["resourceVersion"] = version
        self._tell("MODIFIED" if key in self.objects else "ADDED", key, new)
        self.objects[key] = new
        self.changed(resource, new)
        return new

    def remove(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """An object is gone."""
        key = (group, resource, namespace, name)
        if old := self.objects.pop(key, None):
            old["metadata"]["resourceVersion"] = str(next(self._version))
            self._tell("DELETED", key, old)
        return old

    def _tell(self, event: str, key: tuple[str, str, str, str], one: Object) -> None:
        line = json.dumps({"type": event, "object": one}).encode() + b"\n"
        for group, resource, namespace, queue in self._watches:
            if (group, resource) == key[:2] and namespace in (None, key[2]):
                queue.put_nowait(line)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = _PATH.fullmatch(request.path)
        if found is None or found["resource"] in ("v1", "v1alpha1"):
            return self._discover(request.path)
        group, resource, name, sub = found["group"] or "", found["resource"], found["name"], found["sub"]
        namespace = found["namespace"]
        body = await request.json() if request.can_read_body else None
        watching = request.query.get("watch") in ("true", "1")
        verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[
            request.method
        ]
        if not name:
            verb = {"get": "watch" if watching else "list", "delete": "deletecollection"}.get(verb, verb)
        elif watching:
            verb = "watch"
        asked = Asked(Right(group, f"{resource}/{sub}" if sub else resource, verb), namespace, body)
        self.asked.append(asked)
        try:
            if verb == "watch":
                return await self._watch(request, group, resource, namespace)
            return self._do(verb, group, resource, namespace, name or "", sub, body)
        finally:
            self._grown.set()

    def _do(
        self,
        verb: str,
        group: str,
        resource: str,
        namespace: str | None,
        name: str,
        sub: str | None,
        body: Any,
    ) -> web.Response:
        key = (group, resource, namespace or "", name)
        if sub == "log":
            return web.Response(text='{"event":"progress","step":1,"total":2}\n')
        if verb == "list":
            items = [one for k, one in self.objects.items() if k[:2] == key[:2] and namespace in (None, k[2])]
            return web.json_response(
                {"kind": "List", "metadata": {"resourceVersion": str(next(self._version))}, "items": items}
            )
        if verb == "create":
            if (group, resource, namespace or "", body["metadata"].get("name")) in self.objects:
                return _refusal(409, "AlreadyExists")
            made = self.put(group, resource, body)
            if resource == "jobs" and self.lose_answers:
                self.lose_answers -= 1
                return _refusal(409, "AlreadyExists")
            return web.json_response(made, status=201)
        if verb == "deletecollection":
            for k in [k for k in self.objects if k[:3] == key[:3]]:
                self.remove(*k)
            return web.json_response({"kind": "Status"})
        if key not in self.objects:
            return _refusal(404, "NotFound")
        if verb == "get":
            return web.json_response(self.objects[key])
        if verb == "delete":
            return web.json_response(self.remove(*key))
        assert (verb, sub) == ("patch", "status"), f"{verb} {key} {sub} is nothing the operator should do"
        old = self.objects[key]
        if body["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            return _refusal(409, "Conflict")
        new = {**old, "metadata": dict(old["metadata"]), "status": _merged(old.get("status"), body["status"])}
        return web.json_response(self.put(group, resource, new))

    async def _watch(
        self, request: web.Request, group: str, resource: str, namespace: str | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        since = int(request.query.get("resourceVersion") or 0)
        for key, one in self.objects.items():  # what came between the list and the watch
            of_it = key[:2] == (group, resource) and namespace in (None, key[2])
            if of_it and int(one["metadata"]["resourceVersion"]) > since:
                queue.put_nowait(json.dumps({"type": "ADDED", "object": one}).encode() + b"\n")
        entry = (group, resource, namespace, queue)
        self._watches.append(entry)
        await response.prepare(request)
        try:
            while line := await queue.get():
                await response.write(line)
        except ConnectionError:
            pass  # whoever watched is gone
        finally:
            self._watches.remove(entry)
        return response

    def _discover(self, path: str) -> web.Response:
        if path == "/api":
            return web.json_response({"versions": ["v1"]})
        if path == "/apis":
            groups = []
            for group, version in _KINDS:
                one = {"groupVersion": f"{group}/{version}", "version": version}
                groups.append({"name": group, "versions": [one], "preferredVersion": one})
            return web.json_response({"groups": [one for one in groups if one["name"]]})
        *_, group, version = ("", "", *path.strip("/").split("/"))
        plain = _KINDS.get(("" if group == "api" else group, version))
        if plain is None:
            return _refusal(404, "NotFound") if path != "/version" else web.json_response({"minor": "33"})
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        resources = [
            {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}
            for plural, kind in plain
        ]
        return web.json_response({"resources": resources})


def _refusal(code: int, reason: str) -> web.Response:
    return web.json_response(
        {"kind": "Status", "code": code, "reason": reason, "message": reason}, status=code
    )


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = _merged(new.get(name), value)
    return new
