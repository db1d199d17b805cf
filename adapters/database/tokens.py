"""Random bearer tokens. One is random, so its plain SHA-256 is as good as a slow hash and is found by index.

They begin with a prefix, so that secret scanners can tell them, and end in a checksum, so that whatever is mistyped or made up
is turned away without asking the database.
"""

import hashlib
import secrets
import string
import zlib

KEY = "dt_"
SESSION = "ds_"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM, _CHECK = 40, 6  # characters: 238 bits, and enough for a CRC-32


def new(prefix: str) -> str:
    """A new token of this kind."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{prefix}{body}{_checksum(body)}"


def is_one(prefix: str, token: str) -> bool:
    """Whether this could be a token of this kind."""
    body, check = token[len(prefix) : -_CHECK], token[-_CHECK:]
    return (
        token.startswith(prefix)
        and len(body) == _RANDOM
        and all(char in _ALPHABET for char in body)
        and check == _checksum(body)
    )


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
