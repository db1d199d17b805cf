"""``domain.ports.Mailer`` over SMTP: one message, one transaction, one answer."""

import logging
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from adapters.crypto import Secrets
from adapters.mail.message import Writer, mailbox
from adapters.mail.relay import Connection, Limits, Relay, Session, certificate_error
from adapters.mail.render import Renderer
from adapters.settings import Settings
from domain.errors import DialtoneError, RecipientRefused, Unavailable
from domain.mails import Mail

log = logging.getLogger(__name__)

# RFC 3463: subject 1 is addressing (but .7 and .8 speak of the sender), subject 2 the recipient's mailbox.
_ABOUT_THE_RECIPIENT = re.compile(r"^5\.(1\.(?![78]\b)\d+|2\.\d+)\b")
_LOGIN_WANTED = {530, 534, 535, 538}
_CLOSING = 421


class SmtpMailer:
    """Renders mails and hands them to the installation's relay.

    A relay that took a message and whose answer got lost is asked again later: the second copy has the same Message-ID.
    Use it on one event loop, and ``close`` it.
    """

    def __init__(
        self, settings: Settings, secrets: Secrets, *, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self._renderer = Renderer(str(settings.base_url), secrets)
        self._writer = Writer(settings.mail_from)
        self._limits = limits or Limits()
        self._settings = settings
        if settings.smtp_tls != "none" and tls is None:
            tls = ssl.create_default_context()
        self._tls = tls
        self._relay = Relay(self._client, self._limits)

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        password = settings.smtp_password
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=password.get_secret_value() if password is not None else None,
            # Named, because the default asks DNS for this machine's name, which can hang and tells the relay nothing.
            local_hostname=self._writer.domain,
            timeout=self._limits.connect,
            use_tls=settings.smtp_tls == "implicit",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=self._tls,
        )

    async def send(self, mail: Mail) -> None:
        """Hand over one message.

        Raises ``RecipientRefused`` if the relay refuses every recipient, or the message, for good; ``Refused`` if the
        mail cannot be written; ``Unavailable`` if there was no such answer (``relay_misconfigured``: nor will there be
        one before somebody mends the settings of the relay).
        """
        recipients = tuple(dict.fromkeys(mailbox(recipient) for recipient in mail.recipients))
        if not recipients:
            raise RecipientRefused("The mail has no recipient. Enter an address, then it is sent again.")
        content = self._writer.write(mail, self._renderer.render(mail), recipients)
        try:
            async with self._relay.session() as session:
                refused = await self._transmit(session, recipients, content)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise _translated(error) from error
        if refused:
            log.warning("The relay took a %s mail for some of its recipients and refused %d of them.", mail.kind, refused)

    async def close(self) -> None:
        """Close the connections to the relay."""
        await self._relay.close()

    async def _transmit(self, session: Session, recipients: Sequence[str], content: bytes) -> int:
        """Send over an idle connection; if that turns out to be broken before the message is handed over, over a new one."""
        connection = await session.connection()
        try:
            try:
                refused = await self._envelope(session, connection, recipients, len(content))
            except (aiosmtplib.SMTPException, OSError) as error:
                if connection.uses == 1 or not _ended(error):
                    raise
                connection = await session.connection(fresh=True)
                refused = await self._envelope(session, connection, recipients, len(content))
            await connection.smtp.data(content, timeout=session.patience(self._limits.total))
        except SMTPResponseException:
            await self._reset(session, connection)
            raise
        session.settled = True
        return refused

    async def _envelope(self, session: Session, connection: Connection, recipients: Sequence[str], size: int) -> int:
        """Sender and recipients. Returns how many were refused while others were taken; raises the refusal if all were."""
        smtp, most = connection.smtp, self._limits.command
        if smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo(timeout=session.patience(most))
        options = [f"SIZE={size}"] if smtp.supports_extension("size") else []
        encoding = "ascii"
        if not all(recipient.isascii() for recipient in recipients):
            if not smtp.supports_extension("smtputf8"):
                raise SMTPNotSupported("SMTPUTF8")
            options.append("SMTPUTF8")
            encoding = "utf-8"
        await smtp.mail(self._writer.sender, options=options, encoding=encoding, timeout=session.patience(most))
        refusals: list[SMTPRecipientRefused] = []
        for recipient in recipients:
            try:
                await smtp.rcpt(recipient, encoding=encoding, timeout=session.patience(most))
            except SMTPRecipientRefused as refusal:
                if refusal.code == _CLOSING:
                    raise
                refusals.append(refusal)
        if len(refusals) == len(recipients):
            # One that may be taken later keeps the mail alive.
            raise next((refusal for refusal in refusals if refusal.code < 500), refusals[0])
        return len(refusals)

    async def _reset(self, session: Session, connection: Connection) -> None:
        """Back to between two mails after a refusal; a connection that cannot do even that is not used again."""
        with suppress(aiosmtplib.SMTPException, OSError):
            await connection.smtp.rset(timeout=session.patience(self._limits.command))
            session.settled = True


def _ended(error: Exception) -> bool:
    """Whether the connection is gone (closed, silent, or 421), as against an answer to this mail."""
    return error.code == _CLOSING if isinstance(error, SMTPResponseException) else isinstance(error, OSError)


def _translated(error: Exception) -> DialtoneError:
    """The domain's word for what the relay said. Never repeats it: relays put addresses into their answers."""
    if certificate_error(error):
        return _misconfigured("its certificate is not trusted or is made out to another name", "DIALTONE_SMTP_HOST")
    if isinstance(error, SMTPAuthenticationError) and error.code >= 500:
        return _misconfigured(f"it refuses the login ({error.code})", "DIALTONE_SMTP_USERNAME and DIALTONE_SMTP_PASSWORD")
    if isinstance(error, SMTPNotSupported) and str(error) == "SMTPUTF8":
        return RecipientRefused(
            "The mail relay cannot deliver to addresses with letters outside ASCII. Correct the address, then it is sent again."
        )
    if isinstance(error, SMTPResponseException):
        return _answered(error)
    if isinstance(error, TimeoutError):
        return Unavailable("The mail relay did not answer in time. The mail is sent again later.")
    if isinstance(error, OSError | SMTPServerDisconnected):
        return Unavailable("The mail relay could not be reached, or closed the connection. The mail is sent again later.")
    return _misconfigured("it does not offer the encryption or login that is configured", "DIALTONE_SMTP_*")


def _answered(error: SMTPResponseException) -> DialtoneError:
    code = error.code
    if code in _LOGIN_WANTED:
        return _misconfigured(f"it wants a login ({code})", "DIALTONE_SMTP_USERNAME and DIALTONE_SMTP_PASSWORD")
    if code >= 500:
        about_the_recipient = _ABOUT_THE_RECIPIENT.match(str(error.message)) is not None
        if isinstance(error, SMTPRecipientRefused) or about_the_recipient:
            return RecipientRefused(
                f"The mail relay refuses this recipient for good ({code}). Correct the address, then the mail is sent again."
            )
        if isinstance(error, SMTPDataError):
            return RecipientRefused(
                f"The mail relay refuses this message to this recipient for good ({code}). Correct the address or ask "
                "whoever runs the relay why, then the mail is sent again."
            )
        if isinstance(error, SMTPSenderRefused):
            return _misconfigured(f"it refuses the sender ({code})", "DIALTONE_MAIL_FROM")
        return _misconfigured(f"it refuses to talk to this process ({code})", "DIALTONE_SMTP_*")
    return Unavailable(f"The mail relay cannot take the mail now ({code}). It is sent again later.")


def _misconfigured(what: str, setting: str) -> Unavailable:
    message = f"The mail relay cannot be used as configured: {what}. Check {setting}; mails wait until then."
    log.error(message)
    return Unavailable(message, code="relay_misconfigured")
