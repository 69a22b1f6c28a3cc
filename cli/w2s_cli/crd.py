"""`w2s crd`: the CustomResourceDefinition as YAML, to be applied or compared."""

import argparse

import yaml

from w2s_api.crd import crd


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def main(_arguments: argparse.Namespace) -> int:
    """Prints the definition."""
    print("# Generated from crds/w2s_api by `make generate`; edits are lost.")
    print(yaml.safe_dump(crd(), sort_keys=False, width=100, allow_unicode=True), end="")
    return 0
