"""What is asked of a cluster, what it answers, and what people are told; and the other commands."""

import json
import subprocess
import sys
from typing import Any

import pytest
from kubectl_kit import api_server, job, raw_job

from w2s_cli.kubectl import report, retry, suspend
from w2s_cli.kubectl.cluster import no_such_job
from w2s_cli.main import COMMANDS, main

REFUSALS = {
    "an object": (
        404,
        [{"kind": "Status", "message": "not found", "details": {"name": "indemnity"}}],
        66,
        "There is no WeakToStrongJob indemnity in namespace legal.",
    ),
    "a kind": (
        404,
        ["404 page not found\n"],
        66,
        "knows no WeakToStrongJob: its definition is not installed",
    ),
    "a login": (401, [{"message": "Unauthorized"}], 77, "does not know you"),
    "a right": (403, [{"message": "User x cannot get y"}], 77, "User x cannot get y. The roles `view`"),
    "strength": (503, ["no\nendpoints"], 69, "has trouble: no endpoints."),
    "patience": (429, [{"message": "slow down"}], 69, "has trouble: slow down."),
    "sense": (422, [{"message": "spec is wrong"}], 64, "spec is wrong."),
}


@pytest.mark.parametrize(("code", "body", "exit_code", "said"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("command", ["status", "logs", "report", "suspend", "retry"])
def test_what_a_cluster_may_lack(tmp_path, capsys, command, code, body, exit_code, said):
    def answer(_verb: str, path: str, _query: dict[str, str]) -> tuple[int, list[Any]]:
        return (code, body) if path.endswith("indemnity") else (403, [{"message": "no lists"}])

    with api_server(tmp_path, answer) as place:
        assert main([command, "indemnity", *place]) == exit_code
    told = capsys.readouterr()
    assert said in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ""),
        ({}, " There is none in it."),
        ({"legal": ["indemnity", "tax"]}, " Did you mean indemnity?"),
        ({"legal": ["tax", "rent"]}, " There is: rent, tax."),
        ({"legal": list("abcdefgh")}, " There is: a, b, c, d, e and 3 more."),
        ({"legal": ["tax"], "b": ["indemnify"], "a": ["indemnify"]}, " There is one in a, b: add -n a."),
    ],
)
def test_a_name_that_no_job_has(known, said):
    assert no_such_job("indemnify", "legal", known) == (
        f"There is no WeakToStrongJob indemnify in namespace legal.{said}"
    )


CONFIG: dict[str, Any] = {
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


@pytest.mark.parametrize(
    ("text", "more", "code", "said"),
    [
        (None, [], 64, "there is no such kubeconfig."),
        ("", [], 64, "No cluster to talk to: "),
        ("{", [], 64, "The kubeconfig cannot be read: "),
        ("[1]", [], 64, "The kubeconfig cannot be read: "),
        (json.dumps(CONFIG), ["--context", "y"], 64, "The kubeconfig has no context y. It has: x."),
        (json.dumps(CONFIG | {"current-context": "y"}), [], 64, "No cluster to talk to: "),
        (json.dumps(CONFIG), [], 69, "The API server http://127.0.0.1:1 does not answer: "),
    ],
)
def test_kubeconfigs(tmp_path, capsys, monkeypatch, text, more, code, said):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    assert main(["status", "indemnity", "--kubeconfig", str(file), *more]) == code
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_in_a_pod_without_a_kubeconfig_its_service_account_is_asked(tmp_path):
    program = "import sys; from w2s_cli.main import main; sys.exit(main(['status', 'indemnity']))"
    in_pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    for more, said in ((in_pod, "service"), ({}, "kube-config")):
        environment = {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path), **more}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 64
        assert said in done.stderr.lower().partition("talk to")[2][:60]
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["-n", "tax", "{}", "indemnity"],
        ["--namespace=tax", "{}", "indemnity"],
        ["{}", "indemnity", "-n", "tax"],
    ],
)
@pytest.mark.parametrize("verb", ["status", "suspend"])
def test_options_before_the_command_and_after_it(tmp_path, words, verb):
    asked = []

    def answer(verb: str, path: str, _query: dict[str, str]) -> tuple[int, list[Any]]:
        asked.append(f"{verb} {path}")
        return 200, [raw_job()]

    with api_server(tmp_path, answer) as place:
        assert main([*place, *(word.format(verb) for word in words)]) == 0
    of_job = "/apis/w2s.dev/v1alpha1/namespaces/tax/weaktostrongjobs/indemnity"
    assert asked == [f"GET {of_job}", f"PATCH {of_job}"][: 1 + (verb == "suspend")]


def test_a_watch_that_breaks_off_is_begun_again(tmp_path, capsys, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("w2s_cli.kubectl.cluster.time.sleep", pauses.append)
    states = iter([raw_job(stage="a"), raw_job(stage="b"), raw_job(stage="b", complete="True")])

    def answer(_verb: str, _path: str, query: dict[str, str]) -> tuple[int, list[Any]]:
        if "watch" in query:
            return 200, [{"type": "ERROR", "object": {"code": 410}}]
        return 200, [next(states)]

    with api_server(tmp_path, answer) as place:
        assert main(["status", "indemnity", "-w", "-o", "json", *place]) == 0
    assert [json.loads(line)["stage"] for line in capsys.readouterr().out.splitlines()] == ["a", "b", "b"]
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize("name", ["", "indemnity/status", "../pods/x"])
def test_a_name_is_no_path(capsys, name):
    with pytest.raises(SystemExit):
        main(["status", name])
    assert "is not the name of a WeakToStrongJob" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["Failed", "Retrying"])
def test_retry_says_what_runs_again(state):
    said = retry.done(job({"name": "a", "state": "Done"}, {"name": "b", "state": state}))
    assert said == "indemnity: runs again: b. To follow it: kubectl w2s status indemnity -n legal -w"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"complete": "True"}, "nothing has failed, so nothing is run again"),
        ({"complete": "False"}, "no stage failed, the manifest did"),
    ],
)
def test_retry_where_there_is_nothing_to_run_again(given, said):
    assert said in retry.done(job({"name": "a", "state": "Done"}, **given))


@pytest.mark.parametrize(
    ("manager", "subresource", "tool"),
    [
        ("argocd-controller", None, "Argo CD"),
        ("kustomize-controller", None, "Flux"),
        ("helm", None, "Helm"),
        ("argocd-controller", "status", None),
        ("kubectl-client-side-apply", None, None),
    ],
)
def test_who_may_set_a_suspended_job_back(manager, subresource, tool):
    entry = {"manager": manager} | ({"subresource": subresource} if subresource else {})
    found = job(metadata={"managedFields": [entry]})
    assert found.gitops == tool
    assert suspend.warning(found, True).startswith(f"Caution: {tool} applied" if tool else "If the manifest")
    assert "`suspend: true`" in suspend.warning(found, True)


def test_suspending_says_what_happens():
    assert "saves a checkpoint and stops" in suspend.done(job(), True)
    assert "It was over" in suspend.done(job(complete="True"), True)
    assert suspend.done(job(), False) == "indemnity goes on."


def test_a_report_without_an_s3_client(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "w2s_trainer.store.objects", raising=False)
    monkeypatch.delitem(sys.modules, "w2s_trainer.store.connection", raising=False)
    raw = raw_job(
        reportURI="s3://legal/report.html", spec={"storage": {"uri": "s3://legal", "endpoint": "http://s3"}}
    )
    with api_server(tmp_path, lambda *_: (200, [raw])) as place:
        assert main(["report", "indemnity", *place]) == 64
    told = capsys.readouterr().err
    assert "The report is at s3://legal/report.html." in told
    assert "aws s3 cp s3://legal/report.html . --endpoint-url http://s3" in told


def test_a_report_that_cannot_be_written_here(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "_fetch", lambda *_: b"<html>")
    with api_server(tmp_path, lambda *_: (200, [raw_job(reportURI="s3://legal/report.html")])) as place:
        assert main(["report", "indemnity", "--output", str(tmp_path / "no" / "file"), *place]) == 64
    assert "cannot be written: No such file or directory." in capsys.readouterr().err


def test_certificates_of_the_store_come_from_the_manifest_or_a_config_map(tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(report, "_fetch", lambda *given: seen.append(given[3].read_text()) or b"<html>")
    reference = {"caBundleRef": {"name": "ca", "key": "pem"}}
    for storage in ({"caBundle": "INLINE"}, reference):
        raw = raw_job(reportURI="s3://l/r.html", spec={"storage": {"uri": "s3://legal/w2s", **storage}})

        def answer(_verb: str, path: str, _query: Any, raw: Any = raw) -> tuple[int, list[Any]]:
            return 200, [{"data": {"pem": "MAPPED"}} if path.endswith("/configmaps/ca") else raw]

        with api_server(tmp_path, answer) as place:
            assert main(["report", "indemnity", "--output", "-", *place]) == 0
    assert seen == ["INLINE", "MAPPED"]


def test_bare_it_shows_its_help_and_loads_nothing_heavy():
    program = (
        "import sys\n"
        "from w2s_cli.main import main\n"
        "sys.argv = ['/usr/bin/kubectl-w2s']\n"
        "assert main() == 0\n"
        "assert not {'kubernetes', 'boto3', 'pydantic', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: kubectl w2s ")
    assert [one for one in COMMANDS if f"    {one} " in done.stdout] == list(COMMANDS)


@pytest.mark.parametrize("command", ["status", "logs", "suspend", "retry"])
def test_a_command_needs_no_more_than_the_client(tmp_path, command):
    program = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['torch', 'numpy', 'boto3', 'kopf', 'aiohttp', 'rich'])\n"
        "from w2s_cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    pods = {"items": []}
    with api_server(
        tmp_path, lambda _, path, __: (200, [pods if path.endswith("pods") else raw_job()])
    ) as place:
        words = [sys.executable, "-c", program, command, "indemnity", *place]
        done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, "needs" in done.stderr) == (66 if command == "logs" else 0, False), done.stderr


def test_without_the_client_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert main(["status", "indemnity"]) == 70
    assert (
        capsys.readouterr().err == "w2s status needs kubernetes: pip install '.[kubectl]' in a clone of w2s\n"
    )
