"""A letter in somebody's own words and with attachments, as it goes over the wire."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from adapters.mail.message import Writer
from domain.mails import MailKind
from tests.adapters.mail.samples import letter, mail

WRITER = Writer("Dialtone <onboarding@dialtone.example>")


def parsed(**facts: Any) -> EmailMessage:
    kind = MailKind.NOTIFICATION
    content = WRITER.write(mail(kind, **facts), letter(kind, **facts), ("ann@example.com",))
    return message_from_bytes(content, policy=default)


def test_the_words_come_first_in_both_forms_and_every_attachment_is_a_file_of_its_own() -> None:
    message = parsed(attachments=["contract_summary", "settings_sheet"], own_body="Grüße, {customer_name}\n.\nFrom here")
    assert not message.defects
    assert message.get_content_type() == "multipart/mixed"
    words, *files = message.iter_parts()
    assert [part.get_content_type() for part in words.iter_parts()] == ["text/plain", "text/html"]
    plain, _ = words.iter_parts()
    assert "Grüße, Colmore Trading Ltd\n.\nFrom here" in plain.get_content().replace("\r\n", "\n")
    assert [file.get_filename() for file in files] == ["contract-summary.txt", "settings-sheet.txt"]
    assert all(file.get_content_disposition() == "attachment" for file in files)
    assert "£78.00" in files[0].get_content()
    assert not any(part.defects for part in message.walk())


def test_a_letter_without_attachments_has_the_form_that_every_letter_has() -> None:
    assert parsed().get_content_type() == "multipart/alternative"


def test_a_subject_stays_one_header_whatever_it_was_filled_with() -> None:
    message = parsed(own_subject="{customer_name} {numbers} {plan}" * 3, customer_name="Ünïted " * 25)
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Ünïted")
    assert "\n" not in message["Subject"]
    assert [name for name in message if name == "Subject"] == ["Subject"]
