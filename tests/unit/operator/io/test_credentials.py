"""Who we are to the API server, and it to us: renewed without a restart, and never in the event loop."""

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from io_kit import Clock, answer, configuration_of, refuse, serving, until
from kubernetes import client, config

from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.credentials import READ_AGAIN, RENEW_AGAIN, Credentials, _tls, open_session
from w2s_operator.cluster.errors import ApiError, Unreachable


def with_token(url: str, token: str) -> client.Configuration:
    found = configuration_of(url)
    found.api_key["authorization"] = f"Bearer {token}"
    return found


def run(test: Callable[[], Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await test()

    return asyncio.run(bounded())


def api_with(credentials: Credentials) -> Api:
    return Api(credentials, Bucket(1e6, 100))


def test_a_token_is_read_again_now_and_then_outside_of_the_event_loop():
    tokens, threads = iter(["first", "second"]), set()

    async def test() -> None:
        def renew(configuration: Any) -> None:
            threads.add(threading.current_thread())
            token = next(tokens, None)
            if token is None:
                raise config.ConfigException("the token file is empty")
            configuration.api_key["authorization"] = f"Bearer {token}"

        async def handler(_: web.Request) -> web.Response:
            return answer({})

        clock = Clock()
        async with serving(handler) as server:
            configuration = with_token(server.url, "old")
            configuration.refresh_api_key_hook = renew
            async with api_with(Credentials(configuration, clock=clock)) as api:
                await api.get("/version")
                await api.get("/version")
                clock.now += READ_AGAIN
                await api.get("/version")
                clock.now += READ_AGAIN
                with pytest.raises(Unreachable, match="token file"):
                    await api.get("/version")
            sent = [one.headers["Authorization"] for one in server.asked]
            assert sent == ["Bearer first", "Bearer first", "Bearer second"]

    run(test)
    assert threading.current_thread() not in threads


class Rotating:
    """A server that knows one token, and a plugin that is slow to give it."""

    def __init__(self) -> None:
        self.url = ""
        self.valid = self.given = "one"
        self.loads: list[float] = []
        self.clock = Clock()
        self.wait = threading.Event()
        self.wait.set()
        self.error: Exception | None = None

    async def handler(self, request: web.Request) -> web.StreamResponse:
        known = request.headers.get("Authorization") == f"Bearer {self.valid}"
        return answer({"body": await request.text()}) if known else refuse(401, "Unauthorized")

    def load(self) -> client.Configuration:
        self.loads.append(self.clock.now)
        assert self.wait.wait(10)
        if self.error:
            raise self.error
        return with_token(self.url, self.given)

    def test(self, act: Callable[[Api, Any], Any]) -> None:
        async def there() -> None:
            async with serving(self.handler) as server:
                self.url = server.url
                credentials = Credentials(with_token(self.url, "one"), self.load, self.clock)
                async with api_with(credentials) as api:
                    await act(api, server)

        run(there)


def test_a_token_that_is_refused_is_renewed_once_for_all_and_the_request_made_again():
    rotating = Rotating()

    async def act(api: Api, server: Any) -> None:
        await api.get("/version")
        rotating.valid = rotating.given = "two"
        found = await asyncio.gather(*(api.create("/x", {"number": number}) for number in range(8)))
        assert [one["body"] for one in found] == [f'{{"number":{number}}}' for number in range(8)]
        assert len(rotating.loads) == 1

    rotating.test(act)


def test_a_server_that_knows_nobody_is_no_reason_to_ask_the_plugin_all_the_time():
    rotating = Rotating()
    rotating.valid = "nobody's"

    async def act(api: Api, server: Any) -> None:
        for _ in range(5):
            with pytest.raises(ApiError, match="401"):
                await api.get("/version")
        assert len(rotating.loads) == 1
        rotating.clock.now += RENEW_AGAIN
        with pytest.raises(ApiError, match="401"):
            await api.get("/version")
        assert len(rotating.loads) == 2

    rotating.test(act)


@pytest.mark.parametrize("error", [config.ConfigException("no plugin"), OSError("no file")])
def test_a_plugin_that_fails_is_told_and_asked_again(error: Exception, caplog: pytest.LogCaptureFixture):
    rotating = Rotating()
    rotating.valid = rotating.given = "two"
    rotating.error = error

    async def act(api: Api, server: Any) -> None:
        with pytest.raises(ApiError, match="401"):
            await api.get("/version")
        assert str(error) in caplog.text
        rotating.error = None
        rotating.clock.now += RENEW_AGAIN
        await api.get("/version")

    rotating.test(act)


def test_while_a_plugin_thinks_the_event_loop_goes_on():
    rotating = Rotating()
    rotating.valid = rotating.given = "two"
    rotating.wait.clear()

    async def act(api: Api, server: Any) -> None:
        asking = asyncio.create_task(api.get("/version"))
        await until("the plugin", lambda: rotating.loads)  # which only a loop that turns can see
        assert not asking.done()
        rotating.wait.set()
        await asking

    rotating.test(act)


def test_a_plugin_of_a_kubeconfig_gives_the_token_and_the_next_one(tmp_path: Path):
    token, count = tmp_path / "token", tmp_path / "count"
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"""#!/bin/sh
echo once >> {count}
printf '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
printf '"status": {{"token": "%s"}}}}' "$(cat {token})"
"""
    )
    plugin.chmod(0o755)
    rotating = Rotating()

    async def test() -> None:
        async with serving(rotating.handler) as server:
            api_version = "client.authentication.k8s.io/v1"
            who = {"exec": {"apiVersion": api_version, "command": str(plugin), "interactiveMode": "Never"}}
            plain = {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": server.url}}],
                "users": [{"name": "x", "user": who}],
            }
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(json.dumps(plain))

            def load() -> client.Configuration:
                found = client.Configuration()
                config.load_kube_config(str(kubeconfig), client_configuration=found)
                return found

            token.write_text("one")
            async with api_with(Credentials(load(), load, rotating.clock)) as api:
                await api.get("/version")
                await api.get("/version")
                assert count.read_text() == "once\n"
                rotating.valid = "two"
                token.write_text("two")
                await api.get("/version")
                assert count.read_text() == "once\n" * 2

    run(test)


def authority(folder: Path, name: str) -> Path:
    """A certificate authority, its server certificate for 127.0.0.1 and a client's, by openssl."""
    place = folder / name
    place.mkdir()

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=kubernetes", "-days", "2"
    )
    for who in ("server", "client"):
        (place / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", *key, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}-{name}")
        openssl(
            "x509", "-req", "-in", f"{who}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{who}.crt", "-days", "2", "-extfile", "ext",
        )  # fmt: skip
    return place


def test_a_rotated_authority_and_client_certificate_are_taken_up(tmp_path: Path):
    """Both authorities have the same name, as those of one cluster do."""
    old, new = authority(tmp_path, "old"), authority(tmp_path, "new")
    used = tmp_path / "used"
    used.mkdir()

    def install(place: Path) -> None:
        for name in ("ca.crt", "client.crt", "client.key"):
            (used / name).write_bytes((place / name).read_bytes())

    def configuration(url: str) -> client.Configuration:
        found = configuration_of(url)
        found.ssl_ca_cert = str(used / "ca.crt")
        found.cert_file, found.key_file = str(used / "client.crt"), str(used / "client.key")
        return found

    async def served(place: Path, port: int = 0) -> tuple[web.AppRunner, int]:
        async def who(request: web.Request) -> web.Response:
            assert request.transport is not None
            subject = dict(pair[0] for pair in request.transport.get_extra_info("peercert")["subject"])
            return answer({"you": subject["commonName"]})

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(place / "ca.crt"))
        context.load_cert_chain(place / "server.crt", place / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        app = web.Application()
        app.router.add_get("/version", who)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
        return runner, runner.addresses[0][1]

    async def test() -> None:
        install(old)
        runner, port = await served(old)
        url = f"https://127.0.0.1:{port}"
        clock = Clock()
        credentials = Credentials(configuration(url), lambda: configuration(url), clock)
        async with api_with(credentials) as api:
            assert await api.get("/version") == {"you": "client-old"}
            await runner.cleanup()
            runner, _ = await served(new, port)
            with pytest.raises(Unreachable):  # its files are still the old ones
                await api.get("/version")
            install(new)
            clock.now += RENEW_AGAIN
            assert await api.get("/version") == {"you": "client-new"}
        await runner.cleanup()

    run(test)


def test_the_host_that_needs_no_proxy_goes_without():
    configuration = configuration_of("https://10.0.0.1:6443")
    credentials = Credentials(configuration)
    configuration.proxy, configuration.no_proxy = "http://proxy:3128", None
    assert credentials.proxy == "http://proxy:3128"
    configuration.no_proxy = "localhost,10.0.0.1"
    assert credentials.proxy is None
    configuration.proxy = None
    assert credentials.proxy is None


def test_requests_go_by_the_proxy():
    async def test() -> None:
        async def handler(request: web.Request) -> web.Response:
            return answer({"by": str(request.url)})

        async with serving(handler) as proxy:
            configuration = configuration_of("http://api.invalid:80")
            configuration.proxy, configuration.no_proxy = proxy.url, ""
            async with api_with(Credentials(configuration)) as api:
                assert "api.invalid" in (await api.get("/version"))["by"]

    run(test)


def test_tls_is_verified_unless_the_configuration_says_otherwise():
    configuration = configuration_of("http://plain")
    assert _tls(configuration) is False
    configuration.host = "https://10.0.0.1"
    context = _tls(configuration)
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    configuration.verify_ssl = False
    context = _tls(configuration)
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_session_of_kopfs_signs_its_requests_too():
    async def test() -> None:
        async def handler(request: web.Request) -> web.Response:
            return answer({"who": request.headers.get("Authorization")})

        async with serving(handler) as server:
            session: ClientSession = open_session(Credentials(with_token(server.url, "one")))
            async with session, session.get(server.url) as found:
                assert await found.json() == {"who": "Bearer one"}

    run(test)
