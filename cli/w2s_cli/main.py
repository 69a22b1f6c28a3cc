"""`w2s`: finds the command and calls it. Modules are imported when chosen, so that `validate` stays light."""

import argparse
import importlib
import sys
from typing import Any

COMMANDS = {
    "validate": "check a manifest, as the API server would",
    "run": "run a manifest on this machine; run it again to continue",
    "predict": "let a published model decide about texts",
    "stage": "run one stage by the process contract (the drivers call this)",
    "crd": "print the CustomResourceDefinition",
}


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit code (`w2s_api.exit_codes`)."""
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="w2s", description="Weak labels in, a strong model out.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        if name in given[:1]:
            _module(name).add_arguments(command)
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
        sys.stderr.write(f"w2s {arguments.command} needs {error.name}: pip install 'w2s[trainer]'\n")
        return 70
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        sys.stderr.write(f"{error}\n")
        return int(code)


def _module(name: str) -> Any:
    return importlib.import_module(f"w2s_cli.{name}")


if __name__ == "__main__":
    sys.exit(main())
