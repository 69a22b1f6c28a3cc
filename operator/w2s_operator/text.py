"""Text that somebody else wrote, made fit for a status, a log and a terminal. Pure."""


def printable(text: object, most: int) -> str:
    """The first characters of a text, with a space for each that a terminal might take for a command.

    Args:
        text: from a pod or an Event; what is no string is empty.
        most: characters.
    """
    return (
        "".join(char if char.isprintable() else " " for char in text[:most]) if isinstance(text, str) else ""
    )
