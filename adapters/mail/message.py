"""Puts a letter into the form of the wire: headers, text and HTML as ``multipart/alternative`` (RFC 2046 section 5.1.4).

The library's message class parses every header that it is given, which took a tenth of the worker's time. So it is asked
only for what is hard, headers to be encoded or folded; the rest of the form is fixed.
"""

import binascii
import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from email_validator import EmailNotValidError, validate_email

from adapters.mail.render import Letter
from domain.errors import RecipientRefused, Refused
from domain.mails import Mail

_BREAKING = {"Cc", "Cs", "Zl", "Zp"}
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?", re.IGNORECASE)
_LINE = 78  # characters, RFC 5322 section 2.1.1
_SIMPLE = re.compile(r"[!-~]+(?: [!-~]+)*")
# In quoted-printable "=" comes before two hexadecimal digits or a line's end, so no part can hold this.
_BOUNDARY = "=_dialtone"
_OUTER = "=_dialtone_with_attachments"
_ATTACHED = (
    f"--{_OUTER}\r\n"
    'Content-Type: text/plain; charset="utf-8"\r\n'
    'Content-Disposition: attachment; filename="{name}"\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n{content}\r\n"
)
_PART = (
    f"--{_BOUNDARY}\r\n"
    'Content-Type: text/{subtype}; charset="utf-8"\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n{content}\r\n"
)


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a mail: the same for every copy of it, so that copies can be told from new mails.

    A digest, because keys hold our ids, and because their colons are no part of a Message-ID (RFC 5322 section 3.6.4).
    """
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _breaks_a_line(value: str) -> bool:
    return any(unicodedata.category(char) in _BREAKING for char in value)


def _one_line(name: str, value: str) -> str:
    """Raises ``Refused`` (``mail_header_refused``) for a value that could begin another header or end the headers."""
    # A reader decodes an encoded word (RFC 2047), and finds in it what could not be written out.
    if _breaks_a_line(value) or _ENCODED_WORD.search(value):
        raise Refused(
            f"The mail's {name} holds a control character, so it was not sent. Correct the name that it is made from.",
            code="mail_header_refused",
        )
    return value


def mailbox(spec: str) -> str:
    """The address as relays take it: the domain in ASCII (RFC 5891). The local part stays; it may need SMTPUTF8.

    Raises ``RecipientRefused`` for what is no address.
    """
    try:
        address = validate_email(spec, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        # Without its cause, which repeats the address.
        raise RecipientRefused(
            "The recipient's address is not an e-mail address. Correct it, then the mail is sent again."
        ) from None
    return f"{address.local_part}@{address.ascii_domain}"


def _quoted_printable(text: str) -> str:
    return binascii.b2a_qp(text.replace("\n", "\r\n").encode()).decode("ascii")


def _header(name: str, value: str, wire: "policy.EmailPolicy[Any]") -> str:
    """One header with its line's end. What is simple is written as it is, everything else by the library."""
    if _SIMPLE.fullmatch(value) and len(name) + len(value) + 2 <= _LINE:
        return f"{name}: {value}\r\n"
    folded: str = wire.header_factory(name, value).fold(policy=wire)
    return folded


@lru_cache(maxsize=256)
def _mailbox_header(name: str, display: str, spec: str, wire: "policy.EmailPolicy[Any]") -> str:
    """A header with one named mailbox. Remembered: the letters of one white label share it."""
    username, _, domain = spec.rpartition("@")
    folded: str = wire.header_factory(name, str(Address(display, username, domain))).fold(policy=wire)
    return folded


class Writer:
    """Writes messages of one installation. ``mail_from`` is its address, with or without a display name.

    Raises ``ValueError`` if that is not an address.
    """

    def __init__(self, mail_from: str) -> None:
        parsed = policy.SMTP.header_factory("From", mail_from)
        if parsed.defects or len(parsed.addresses) != 1 or not parsed.addresses[0].domain:
            raise ValueError("DIALTONE_MAIL_FROM must be one e-mail address, such as: Dialtone <onboarding@example.com>")
        self._address: Address = parsed.addresses[0]
        self.sender = self._address.addr_spec
        self.domain = self._address.domain

    def write(self, mail: Mail, letter: Letter, recipients: tuple[str, ...], at: datetime | None = None) -> bytes:
        """One message to ``recipients`` (``mailbox`` has made them). Raises ``Refused`` for control characters in a header."""
        facts = letter.facts
        tenant = _one_line("sender", facts.tenant_name)
        reply_to = mailbox(_one_line("reply address", facts.support_email))
        # An address outside ASCII can only be carried as UTF-8 (RFC 6532); everything else is sent so that any relay takes it.
        wire = policy.SMTP if all(recipient.isascii() for recipient in recipients) else policy.SMTPUTF8
        headers = [
            _mailbox_header("From", tenant, self.sender, wire),
            _header("To", ", ".join(recipients), wire),
            _mailbox_header("Reply-To", tenant, reply_to, wire),
            _header("Subject", _one_line("subject", letter.subject), wire),
            _header("Date", format_datetime(at or datetime.now(UTC)), wire),
            _header("Message-ID", message_id(mail.key, self.domain), wire),
            # Out-of-office answers and ticket robots must not reply to a machine (RFC 3834).
            "Auto-Submitted: auto-generated\r\n",
            f"X-Dialtone-Mail: {mail.kind.value}\r\n",
            "MIME-Version: 1.0\r\n",
        ]
        alternative = f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n\r\n'
        text = _PART.format(subtype="plain", content=_quoted_printable(letter.text))
        html = _PART.format(subtype="html", content=_quoted_printable(letter.html))
        words = [alternative, text, html, f"--{_BOUNDARY}--\r\n"]
        if not letter.attachments:
            return "".join([*headers, *words]).encode()
        files = [_ATTACHED.format(name=name, content=_quoted_printable(content)) for name, content in letter.attachments]
        mixed = f'Content-Type: multipart/mixed; boundary="{_OUTER}"\r\n\r\n'
        return "".join([*headers, mixed, f"--{_OUTER}\r\n", *words, "\r\n", *files, f"--{_OUTER}--\r\n"]).encode()
