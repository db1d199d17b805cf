"""Page tokens: where a list goes on, bound to the filters it was made with.

A token is no secret and grants nothing (the filters are applied again), so it carries a digest against mistakes, not a signature.
"""

import base64
import binascii
import hashlib
import json
from datetime import datetime

_DIGEST_BYTES = 9
_LONGEST = 300
_MOST_DIGITS = 9
_FIRST_YEAR, _LAST_YEAR = 2000, 9000


def make(filters: tuple[str | None, ...], position: tuple[str, ...]) -> str:
    """The opaque, URL-safe token of the page that begins after ``position``."""
    body = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(filters, body) + body).rstrip(b"=").decode()


def read(filters: tuple[str | None, ...], token: str, length: int) -> tuple[str, ...]:
    """The position in a token made with these filters. Raises ``ValueError`` for any other text."""
    wrong = ValueError("This page token was not made by this list with these filters. Begin again without one.")
    try:
        raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise wrong from error
    digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
    if digest != _digest(filters, body):
        raise wrong
    try:
        position = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise wrong from error
    # Anybody can compute the digest. What is in no position of ours (NUL, half a surrogate) breaks a database's driver.
    if not isinstance(position, list) or len(position) != length or not all(_plain(part) for part in position):
        raise wrong
    return tuple(position)


def moment(text: str) -> datetime:
    """A moment in a position. Raises ``ValueError`` for what no row of ours has."""
    at = datetime.fromisoformat(text)
    # A year on either side, for clients of a database that reckon in other zones.
    if at.utcoffset() is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError("This page token names a moment at which nothing was made. Begin again without one.")
    return at


def number(text: str) -> int:
    """A count in a position. Raises ``ValueError`` for more than a database can hold."""
    if len(text) > _MOST_DIGITS:
        raise ValueError("This page token names a row that there cannot be. Begin again without one.")
    return int(text)


def _plain(part: object) -> bool:
    return isinstance(part, str) and part.isprintable() and len(part) <= _LONGEST


def _digest(filters: tuple[str | None, ...], body: bytes) -> bytes:
    return hashlib.sha256(json.dumps(filters).encode() + b"\n" + body).digest()[:_DIGEST_BYTES]
