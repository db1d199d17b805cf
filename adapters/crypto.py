"""Everything derived from the installation's secret: activation links, device passwords, request fingerprints."""

import base64
import hashlib
import hmac
import itertools
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from domain.credentials import is_weak_pin


@dataclass(frozen=True)
class ActivationToken:
    """The verified content of an activation link."""

    onboarding_id: str
    generation: int


@dataclass(frozen=True)
class InvitationToken:
    """The verified content of a link to set a password with."""

    user_id: str
    generation: int


class Secrets:
    """Derives, never stores. One root secret; each purpose has its own derived key, so none can stand in for another."""

    def __init__(self, root: SecretStr) -> None:
        self._root = root.get_secret_value().encode()

    def _mac(self, purpose: str, message: str) -> bytes:
        key = hmac.digest(self._root, purpose.encode(), hashlib.sha256)
        return hmac.digest(key, message.encode(), hashlib.sha256)

    def activation_token(self, onboarding_id: str, generation: int) -> str:
        """``<id>.<generation>.<mac>`` with a 256-bit HMAC: a mail sent again carries the same link, a resend a new one."""
        return self._link("activation", onboarding_id, generation)

    def read_activation_token(self, token: str) -> ActivationToken | None:
        """The link's content, or ``None`` if it is not one of ours. Compares in constant time (ASVS 11.2.4)."""
        read = self._read_link("activation", token)
        return ActivationToken(*read) if read else None

    def invitation_token(self, user_id: str, generation: int) -> str:
        """As an activation token, for a user who sets a password."""
        return self._link("invitation", user_id, generation)

    def read_invitation_token(self, token: str) -> InvitationToken | None:
        """The link's content, or ``None`` if it is not one of ours."""
        read = self._read_link("invitation", token)
        return InvitationToken(*read) if read else None

    def _link(self, purpose: str, name: str, generation: int) -> str:
        mac = self._mac(purpose, f"{name}.{generation}")
        return f"{name}.{generation}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def _read_link(self, purpose: str, token: str) -> tuple[str, int] | None:
        parts = token.split(".")
        if len(parts) != 3 or not parts[1].isascii() or not parts[1].isdecimal() or len(parts[1]) > 6:
            return None
        expected = self._link(purpose, parts[0], int(parts[1]))
        if not hmac.compare_digest(expected.encode(), token.encode()):
            return None
        return parts[0], int(parts[1])

    def device_password(self, username: str, domain: str) -> str:
        """A line's SIP password: 24 base32 characters (120 bits), derived, so it can be shown once and stored nowhere."""
        return base64.b32encode(self._mac("sip", f"{username}@{domain}"))[:24].decode().lower()

    def ha1(self, username: str, domain: str) -> str:
        """What the switch stores instead of the password: MD5(user:realm:password), as SIP digest asks (RFC 2617)."""
        password = self.device_password(username, domain)
        return hashlib.md5(f"{username}:{domain}:{password}".encode(), usedforsecurity=False).hexdigest()

    def portal_password(self, onboarding_id: str, least: int) -> str:
        """The password that is made for an onboarding's contact: at least 20 base32 characters (100 bits) in groups of five.

        Derived, so that the same request can be answered the same way and nothing is stored in clear.
        """
        letters = base64.b32encode(self._mac("portal", f"{onboarding_id}.0") + self._mac("portal", f"{onboarding_id}.1"))
        chosen = letters.decode().lower()[: max(20, least)]
        return "-".join(chosen[at : at + 5] for at in range(0, len(chosen), 5))

    def seal_password(self, onboarding_id: str, password: str) -> str:
        """A password that waits to be hashed, AES-256-GCM with a random 96-bit nonce, for this onboarding only."""
        nonce = os.urandom(12)
        sealed = self._seal().encrypt(nonce, password.encode(), onboarding_id.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open_password(self, onboarding_id: str, sealed: str) -> str | None:
        """The password, or ``None`` if it was sealed under another secret or for another onboarding."""
        content = base64.b64decode(sealed)
        try:
            return self._seal().decrypt(content[:12], content[12:], onboarding_id.encode()).decode()
        except InvalidTag:
            return None

    def _seal(self) -> AESGCM:
        return AESGCM(self._mac("sealed password", ""))

    def pin(self, onboarding_id: str, length: int) -> str:
        """The PIN that is made for an onboarding's account, and none of those that are tried first."""
        for attempt in itertools.count():
            number = int.from_bytes(self._mac("pin-made", f"{onboarding_id}.{length}.{attempt}")) % 10**length
            if not is_weak_pin(pin := f"{number:0{length}d}"):
                return pin
        raise AssertionError("counting ends")

    def pin_digest(self, account_id: str, pin: str) -> str:
        """What is stored of a PIN. Keyed, because a million hashes of any kind are soon tried: without the key there is nothing
        to try against. The account is part of it, so that two accounts with one PIN do not look alike."""
        return self._mac("pin", f"{account_id}\n{pin}").hex()

    def fingerprint(self, body: bytes) -> str:
        """A keyed digest of a request body: recognises the same body again, tells nothing about it."""
        return self._mac("fingerprint", body.hex()).hex()
