"""Mail: renders letters and hands them to a relay by SMTP."""

import ssl

from adapters.crypto import Secrets
from adapters.mail.smtp import SmtpMailer
from adapters.settings import Settings

__all__ = ["SmtpMailer", "mailer"]


def mailer(settings: Settings, secrets: Secrets, *, tls: ssl.SSLContext | None = None) -> SmtpMailer:
    """The installation's mailer. ``tls`` replaces the system's trust store; ``close`` it when the process ends."""
    return SmtpMailer(settings, secrets, tls=tls)
