"""Where a method is implemented: in the module that is called as that of its settings."""

import importlib
from types import ModuleType

from w2s_api.methods.method import Method, module_of


def implementation(package: str, method: type[Method]) -> ModuleType:
    """The module that implements a method.

    Args:
        package: where the modules of its kind are (`w2s_api.methods` has the list).
        method: the class of its settings.
    """
    return importlib.import_module(f"{package}.{module_of(method)}")
