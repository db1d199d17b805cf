"""Turns a mail into words: subject, text and HTML, from one template folder per kind."""

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from pydantic import ValidationError

from adapters.crypto import Secrets
from adapters.mail.facts import Facts
from domain.errors import Refused
from domain.mails import Mail, MailKind
from domain.notifications import Attachment

_TEMPLATES = Path(__file__).with_name("templates")
_BLANK_LINES = re.compile(r"\n{3,}")
_PARTS = ("subject.txt", "body.txt", "body.html")


@dataclass(frozen=True)
class Letter:
    """A mail in words. ``facts`` is what it was made from."""

    subject: str
    text: str
    html: str
    facts: Facts
    attachments: tuple[tuple[str, str], ...] = ()
    """File names and plain text."""


class Renderer:
    """Renders every kind of mail. All templates are compiled when it is made, so a broken one stops the process there.

    ``base_url`` is the origin of every link; it comes from the settings, never from a request.
    """

    def __init__(self, base_url: str, secrets: Secrets) -> None:
        self._base_url = base_url.rstrip("/")
        self._secrets = secrets
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        self._templates: dict[MailKind, tuple[Template, ...]] = {
            kind: tuple(environment.get_template(f"{kind.value}/{part}") for part in _PARTS) for kind in MailKind
        }
        self._attachments = {kind: environment.get_template(f"_attachments/{kind.value}.txt") for kind in Attachment}

    def render(self, mail: Mail) -> Letter:
        """Raises ``Refused`` (``mail_facts_missing``) if the mail's facts are not those that letters are made from."""
        try:
            facts = Facts.model_validate(mail.facts)
        except ValidationError as error:
            # Only the names of the fields: what they hold is personal.
            fields = ", ".join(sorted({".".join(map(str, detail["loc"])) for detail in error.errors()}))
            raise Refused(
                f"A {mail.kind} mail cannot be written from these facts: {fields}.", code="mail_facts_missing"
            ) from None
        token = self._secrets.activation_token(facts.onboarding_id, facts.generation)
        link = f"{self._base_url}/activate/{token}"
        invitation = self._secrets.invitation_token(facts.user_id, facts.invitation) if facts.user_id else None
        variables: dict[str, object] = {
            "facts": facts,
            "invitation_link": f"{self._base_url}/invitation/{invitation}" if invitation else None,
            "activation_link": link,
            "status_link": link,
            "console_link": f"{self._base_url}/v1/onboardings/{facts.onboarding_id}",
        }
        # In somebody's own words a letter has the one form, whatever it is about.
        kind = mail.kind if facts.own_body is None else MailKind.NOTIFICATION
        subject, text, html = (template.render(variables) for template in self._templates[kind])
        attachments = tuple((f"{name.replace('_', '-')}.txt", self._attach(name, variables)) for name in facts.attachments)
        return Letter(subject=subject.strip(), text=_plain(text), html=html, facts=facts, attachments=attachments)

    def _attach(self, name: str, variables: dict[str, object]) -> str:
        return _plain(self._attachments[Attachment(name)].render(variables))


def _plain(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", text.strip()) + "\n"
