"""What goes over the wire."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail.message import Writer, mailbox, message_id
from adapters.mail.render import Renderer
from domain.errors import RecipientRefused, Refused
from domain.mails import MailKind
from tests.adapters.mail.samples import BASE_URL, SECRETS, mail

WRITER = Writer("Dialtone <onboarding@dialtone.example>")
RENDERER = Renderer(BASE_URL, SECRETS)
AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def written(
    recipients: tuple[str, ...] = ("ann@example.com",), kind: MailKind = MailKind.ACTIVATION, **facts: object
) -> EmailMessage:
    order = mail(kind, **facts)
    content = WRITER.write(order, RENDERER.render(order), recipients, AT)
    return message_from_bytes(content, policy=policy.default)


def test_a_message_has_the_headers_that_relays_and_readers_look_for():
    message = written()
    assert str(message["From"]) == "Brindley Voice <onboarding@dialtone.example>"
    assert str(message["To"]) == "ann@example.com"
    assert str(message["Reply-To"]) == "Brindley Voice <help@brindley.example>"
    assert message["Subject"] == "Activate your Brindley Voice service"
    assert message["Date"].datetime == AT
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Dialtone-Mail"] == "activation"


def test_the_text_part_comes_first_and_both_survive_the_wire():
    message = written(customer_name="Kaffeehaus Müller & Söhne €")
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "Kaffeehaus Müller & Söhne €" in text.get_content()
    assert "Kaffeehaus Müller &amp; Söhne €" in html.get_content()


def test_the_message_is_plain_ascii_with_short_lines_so_that_any_relay_takes_it():
    order = mail(customer_name="Müller " * 20, tenant_name="Telefónica de Ñuñoa " * 5)
    content = WRITER.write(order, RENDERER.render(order), ("ann@example.com",))
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_a_letter_that_spells_out_the_boundary_is_still_two_parts():
    text, html = written(customer_name="--=_dialtone--").iter_parts()
    assert "--=_dialtone--" in text.get_content()
    assert "--=_dialtone--" in html.get_content()


def test_long_lines_are_folded_as_the_standard_asks():
    order = mail(customer_name="Müller " * 20, tenant_name="Brindley Voice " * 9)
    content = WRITER.write(order, RENDERER.render(order), tuple(f"operator-{n}@brindley.example" for n in range(9)))
    assert max(map(len, content.split(b"\r\n"))) <= 78


def test_copies_of_a_mail_share_the_message_id_and_other_mails_do_not():
    assert written(key="a:1")["Message-ID"] == written(key="a:1")["Message-ID"]
    assert written(key="a:1")["Message-ID"] != written(key="a:2")["Message-ID"]
    assert message_id("a:1", "dialtone.example").endswith("@dialtone.example>")
    assert ":" not in message_id("a:1", "dialtone.example")


@pytest.mark.parametrize(
    "breaker",
    [
        "\r\nBcc: mallory@example.net",
        "\nSubject: x",
        "\r",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
        "\x1b[2J",
        " =?utf-8?q?=0D=0ABcc:_mallory?= ",
    ],
)
@pytest.mark.parametrize("fact", ["tenant_name", "support_email", "customer_name"])
def test_a_header_cannot_be_broken_out_of(fact: str, breaker: str):
    with pytest.raises(Refused) as refused:
        written(kind=MailKind.APPROVAL_NEEDED, **{fact: f"ann{breaker}@example.com"})
    assert refused.value.code == "mail_header_refused"
    assert "mallory" not in refused.value.message


@given(name=st.text(min_size=1, max_size=60))
def test_no_name_adds_a_header_or_a_recipient(name: str):
    try:
        message = written(tenant_name=name, customer_name=name)
    except Refused:
        return
    assert sorted(message.keys()) == sorted(
        [
            "From",
            "To",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "X-Dialtone-Mail",
            "MIME-Version",
            "Content-Type",
        ]
    )
    assert [address.addr_spec for address in message["From"].addresses] == ["onboarding@dialtone.example"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.com"]


@pytest.mark.parametrize("name", ['Eve" <eve@evil.example>, "', "eve@evil.example", "a,b;c:d"])
def test_a_cunning_sender_name_stays_a_name(name: str):
    (address,) = written(tenant_name=name)["From"].addresses
    assert address.addr_spec == "onboarding@dialtone.example"
    assert address.display_name == name


@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        ("ann@example.com", "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("Ann.O'Neil+x@Example.com", "Ann.O'Neil+x@example.com"),
        ("josé@example.com", "josé@example.com"),
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
    ],
)
def test_addresses_are_written_as_relays_take_them(given_: str, taken: str):
    assert mailbox(given_) == taken


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example.com\r\nRCPT TO:<eve@evil.example>",
        "a b@example.com",
        "a@b@c",
        "ann@a..b",
    ],
)
def test_what_is_no_address_is_refused_like_one_that_the_relay_refuses(given_: str):
    with pytest.raises(RecipientRefused) as refused:
        mailbox(given_)
    assert refused.value.code == "recipient_refused"


@pytest.mark.parametrize("sender", ["", "Dialtone", "a@x.example, b@x.example", "Dialtone <>"])
def test_an_installation_without_an_address_does_not_start(sender: str):
    with pytest.raises(ValueError, match="DIALTONE_MAIL_FROM"):
        Writer(sender)
