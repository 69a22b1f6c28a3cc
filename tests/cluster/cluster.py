#!/usr/bin/env python3
"""The test cluster from the command line: `cluster.py tools`, `cluster.py up|down|status|exec [--mode node|kwok] …`; see docs/cluster.md."""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from w2s_cluster import CannotRun, ClusterFault, down, images, is_up, kubeconfig, lifecycle, tools, up
from w2s_cluster.kubectl import executable


def main() -> int:
    """Do what the command line says; gives the exit status."""
    wanted = _parser().parse_args()
    try:
        match wanted.command:
            case "tools":
                tools.make(_say, with_release_images=wanted.release_images)
            case "up":
                tools.make(_say, [wanted.mode])
                up(wanted.mode, _say)
                print(
                    f"{wanted.mode} cluster is up. {sys.argv[0]} exec --mode {wanted.mode} kubectl get nodes"
                )
            case "down":
                if wanted.unused:
                    lifecycle.down_unused(wanted.mode)
                else:
                    down(wanted.mode, purge=wanted.purge)
            case "status":
                print(
                    f"{wanted.mode} cluster is {'up' if is_up(wanted.mode) else 'down'}: {kubeconfig(wanted.mode)}"
                )
            case "exec":
                os.environ["PATH"] = f"{executable().parent}:{os.environ['PATH']}"
                return lifecycle.run(wanted.mode, wanted.words)
            case "build-image":
                arguments = dict(word.split("=", 1) for word in wanted.build_arg)
                arguments.setdefault("BASE", images.base())
                with ExitStack() as stack:
                    context = wanted.context
                    if (context / ".git").exists():
                        context = stack.enter_context(images.checkout(context))
                    print(images.publish(images.build(wanted.file, context, wanted.tag, arguments)))
    except (CannotRun, ClusterFault) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    making = command("tools", "Fetch and build all that a cluster and its tests need; what is there is left.")
    making.add_argument(
        "--release-images", action="store_true", help="also the images that the end-to-end tests run"
    )
    starting = command("up", "Bring the cluster up; what runs is left running.")
    ending = command("down", "End the cluster and undo its changes to the machine.")
    ending.add_argument(
        "--purge", action="store_true", help="remove its folder too, with the images it holds"
    )
    ending.add_argument("--unused", action="store_true", help="only if tests brought it up and are gone")
    telling = command("status", "Say whether it is up.")
    running = command("exec", "Run a command in the cluster's network, with KUBECONFIG set.")
    for one in (starting, ending, telling, running):
        one.add_argument(
            "--mode", choices=["node", "kwok"], default="node", help="real pods, or fake ones for scale"
        )
    running.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    building = command(
        "build-image", "Build a Containerfile on the base image for tests and give it to the node."
    )
    building.add_argument("--file", type=Path, required=True)
    building.add_argument("--tag", required=True, help="name:tag; the reference is localhost/name:tag")
    building.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    building.add_argument("context", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
