"""`w2s`: finds the command and calls it. Modules are imported when chosen, so that `validate` stays light."""

import argparse
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Command:
    """A command, and where it is."""

    purpose: str
    module: str
    extra: str = "trainer"
    """What of this package to install for it."""


COMMANDS = {
    "validate": Command("check a manifest, as the API server would", "validate"),
    "run": Command("run a manifest on this machine; run it again to continue", "run"),
    "predict": Command("let a published model decide about texts", "predict"),
    "ask": Command("choose the texts of a job that are most worth an expert's time", "ask"),
    "stage": Command("run one stage by the process contract (the drivers call this)", "stage"),
    "crd": Command("print the CustomResourceDefinition", "crd"),
    "status": Command("show the stages and results of a job in a cluster", "kubectl.status", "kubectl"),
    "logs": Command("show what a stage of a job in a cluster says", "kubectl.logs", "kubectl"),
    "report": Command("fetch the report of a job in a cluster", "kubectl.report", "kubectl"),
    "suspend": Command("stop a job in a cluster, with what it has saved", "kubectl.suspend", "kubectl"),
    "resume": Command("let a suspended job go on", "kubectl.suspend", "kubectl"),
    "retry": Command("run again what failed of a job in a cluster", "kubectl.retry", "kubectl"),
}
LEADING = ("-n", "--namespace", "--context", "--kubeconfig")
"""Options with a value that kubectl's users write before the command."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit code (`w2s_api.exit_codes`)."""
    given = _command_first(sys.argv[1:] if argv is None else argv)
    plugin = Path(sys.argv[0]).stem == "kubectl-w2s"  # kubectl runs a plugin by the name of its file
    prog = "kubectl w2s" if plugin else "w2s"
    parser = argparse.ArgumentParser(prog=prog, description="Weak labels in, a strong model out.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in sorted(COMMANDS, key=lambda name: COMMANDS[name].module.startswith("kubectl.") != plugin):
        purpose = COMMANDS[name].purpose
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        if name in given[:1]:
            _module(name).add_arguments(command)
    if not given:
        parser.print_help()
        return 0
    arguments = parser.parse_args(given)
    try:
        return int(_module(arguments.command).main(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("w2s"):
            raise
        extra = COMMANDS[arguments.command].extra
        sys.stderr.write(
            f"{prog} {arguments.command} needs {error.name}: pip install '.[{extra}]' in a clone of w2s\n"
        )
        return 70
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        sys.stderr.write(f"{error}\n")
        return int(code)


def _command_first(given: list[str]) -> list[str]:
    """`-n legal status indemnity` as `status -n legal indemnity`."""
    place = 0
    while place < len(given) and given[place].partition("=")[0] in LEADING:
        place += 1 if "=" in given[place] else 2
    return given[place : place + 1] + given[:place] + given[place + 1 :]


def _module(name: str) -> Any:
    return importlib.import_module(f"w2s_cli.{COMMANDS[name].module}")


if __name__ == "__main__":
    ended = main()
    if sys.argv[1:2] == ["stage"]:
        _module("stage").leave(ended)
    sys.exit(ended)
