"""How HTML is made of templates: every text in it is escaped, and a word that is not given is an error."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def environment(package: str) -> Environment:
    """Makes the environment of the templates that lie in a package."""
    templates = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"code": _code, "signed": lambda value: f"{value:+.3f}".replace("-", "−")}
    return templates


def _code(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
