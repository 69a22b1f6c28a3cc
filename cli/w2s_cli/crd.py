"""`w2s crd`: the CustomResourceDefinition as YAML, to be applied or compared; or its fields as a page."""

import argparse

import yaml

from w2s_api.crd import crd
from w2s_api.reference import reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument(
        "--fields", action="store_true", help="print the field reference (docs/fields.md) instead"
    )


def main(arguments: argparse.Namespace) -> int:
    """Prints the definition."""
    print(reference() if arguments.fields else as_yaml(), end="")
    return 0


def as_yaml() -> str:
    """The definition as it is kept in crds/."""
    note = "# Generated from crds/w2s_api by `make generate`; edits are lost.\n"
    return note + yaml.safe_dump(crd(), sort_keys=False, width=100, allow_unicode=True)
