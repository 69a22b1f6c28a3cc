"""Which URIs name places that overlap: what is written to one, or read from it, is also of the other."""

import posixpath


def overlap(first: str, second: str) -> bool:
    """Tells whether two URIs are one place, or one lies below the other."""
    return is_below(first, second) or is_below(second, first)


def is_below(uri: str, place: str) -> bool:
    """Whether a URI is a place or lies below it.

    Names are compared in whole (`s3://b/gold2` is not below `s3://b/gold`), with a slash at the end or without,
    and once `//`, `.` and `..` are resolved, which some servers do. Case of scheme and bucket does not count.
    """
    scheme, names = _parts(uri)
    above_scheme, above = _parts(place)
    return scheme == above_scheme and names[: len(above)] == above


def _parts(uri: str) -> tuple[str, list[str]]:
    scheme, _, path = uri.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        return scheme, _names(path.removeprefix("localhost/"))
    bucket, _, key = path.partition("/")
    return scheme, [bucket.lower(), *_names(key)]


def _names(path: str) -> list[str]:
    return [name for name in posixpath.normpath(f"/{path}").split("/") if name]


def cel_below(uri: str, place: str) -> str:
    """`is_below` in CEL, for URIs that are written plainly."""
    return f"({uri} + '/').startsWith({place} + ({place}.endsWith('/') ? '' : '/'))"


def cel_overlap(first: str, second: str) -> str:
    """Returns `overlap` in CEL, for URIs that are written plainly."""
    return f"({cel_below(first, second)} || {cel_below(second, first)})"
