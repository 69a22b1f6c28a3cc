"""How HTML is made of templates: every text in it is escaped, what cannot be seen is made visible, and a word that is not
given is an error."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tabs and ends of lines, what turns the direction of writing around, halves of pairs."""


def environment(package: str) -> Environment:
    """Makes the environment of the templates that lie in a package."""
    templates = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"code": _code, "signed": lambda value: f"{value:+.3f}".replace("-", "−")}
    return templates


def visible(text: str) -> str:
    """A text in which characters that could not be seen, or could hide what is there, are written out: \\x1b, \\u202e."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _seen(value: Any) -> Any:
    if isinstance(value, Markup):
        return Markup(visible(value))
    return visible(value) if isinstance(value, str) else value


def _code(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
