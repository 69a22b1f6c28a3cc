"""How `prepare` tells the drivers which artifacts of a plan are complete, in the few bytes of its last words."""

import base64
import zlib
from collections.abc import Mapping

from w2s_api.keys import KEY_LENGTH

_MOST = 32_768
"""Bytes of all names of stages. 128 stages have some 3,000."""


def pack(artifacts: Mapping[str, str]) -> str:
    """Content keys by stage name as a short string, in characters that JSON does not escape.

    The names are compressed; the keys, which cannot be, follow in binary: 128 stages take 3,000 characters.
    """
    names = "\n".join(artifacts).encode()
    return base64.b85encode(zlib.compress(names, 9) + bytes.fromhex("".join(artifacts.values()))).decode()


def unpack(packed: object) -> dict[str, str]:
    """Returns content keys by stage name, from a packed list or from a short one that was left as it is.

    Raises:
        ValueError: it is neither. What a pod says is not trusted.
    """
    if isinstance(packed, str):
        return _unpacked(packed)
    if not isinstance(packed, dict) or not all(isinstance(key, str) for key in packed.values()):
        raise ValueError("not a list of artifacts")
    return packed


def _unpacked(packed: str) -> dict[str, str]:
    inflate = zlib.decompressobj()
    try:
        names = inflate.decompress(base64.b85decode(packed), _MOST).decode().splitlines()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    keys = inflate.unused_data.hex()
    if not inflate.eof or len(keys) != KEY_LENGTH * len(names):
        raise ValueError("a list of artifacts that is cut off or too long")
    return {name: keys[place * KEY_LENGTH : (place + 1) * KEY_LENGTH] for place, name in enumerate(names)}
