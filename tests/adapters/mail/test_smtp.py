"""The contract of the port ``Mailer``, over real SMTP."""

import asyncio
import logging

import pytest

from adapters.mail.relay import Limits
from domain.errors import RecipientRefused, Refused, Unavailable
from domain.mails import MailKind
from starter.local.inbox import RunningInbox
from starter.local.processes import free_ports
from tests.adapters.mail.conftest import Certificates, MakeMailer, StartRelay, certificates_for
from tests.adapters.mail.samples import BASE_URL, ONBOARDING, SECRETS, mail
from tests.mailbox import customer_link

IMPATIENT = Limits(connect=2.0, command=0.4, total=0.8)


async def test_a_mail_arrives_with_its_link_and_both_parts(inbox: RunningInbox, make_mailer: MakeMailer):
    await make_mailer(inbox.smtp_port, base_url=BASE_URL).send(mail())
    (message,) = await inbox.messages(to="ann@example.com")
    assert message.subject == "Activate your Brindley Voice service"
    assert message.sender == "Brindley Voice <onboarding@dialtone.example>"
    assert message.recipients == ("ann@example.com",)
    assert message.kind == "activation"
    assert customer_link(message) == f"{BASE_URL}/activate/{SECRETS.activation_token(ONBOARDING, 2)}"
    assert customer_link(message) in message.html


@pytest.mark.parametrize("kind", MailKind)
async def test_every_kind_of_mail_is_taken_by_a_relay(kind: MailKind, start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    await make_mailer(relay.port).send(mail(kind))
    (message,) = relay.taken
    assert message["X-Dialtone-Mail"] == kind.value
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


async def test_a_mail_to_several_operators_is_one_message(inbox: RunningInbox, make_mailer: MakeMailer):
    order = mail(MailKind.APPROVAL_NEEDED).model_copy(update={"recipients": ("a@op.example", "b@op.example", "a@op.example")})
    await make_mailer(inbox.smtp_port).send(order)
    (message,) = await inbox.messages()
    assert message.recipients == ("a@op.example", "b@op.example")


async def test_one_operator_whose_address_is_dead_does_not_keep_the_others_from_hearing(
    inbox: RunningInbox, make_mailer: MakeMailer, caplog: pytest.LogCaptureFixture
):
    order = mail(MailKind.APPROVAL_NEEDED).model_copy(update={"recipients": ("refuse@op.example", "b@op.example")})
    await make_mailer(inbox.smtp_port).send(order)
    (message,) = await inbox.messages()
    assert message.recipients == ("b@op.example",)
    assert "refused 1 of them" in caplog.text
    assert "refuse@op.example" not in caplog.text


async def test_an_address_that_the_relay_refuses_for_good_is_a_refusal_without_the_address(
    inbox: RunningInbox, make_mailer: MakeMailer
):
    mailer = make_mailer(inbox.smtp_port)
    with pytest.raises(RecipientRefused) as refused:
        await mailer.send(mail(to="refuse.me@example.com"))
    assert refused.value.code == "recipient_refused"
    assert "refuse.me" not in refused.value.message
    await mailer.send(mail())
    assert len(await inbox.messages()) == 1


async def test_a_busy_relay_is_no_answer_and_the_same_mail_is_taken_later(inbox: RunningInbox, make_mailer: MakeMailer):
    mailer = make_mailer(inbox.smtp_port)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await mailer.send(mail(to="busy@example.com"))
    await mailer.send(mail(to="busy@example.com"))
    assert len(await inbox.messages(to="busy@example.com")) == 1


async def test_a_relay_that_is_down_is_no_answer_and_the_mail_goes_when_it_is_up(
    make_mailer: MakeMailer, start_relay: StartRelay
):
    (port,) = free_ports(1)
    mailer = make_mailer(port)
    with pytest.raises(Unavailable, match="could not be reached"):
        await mailer.send(mail())
    relay = await start_relay(port=port)
    await mailer.send(mail())
    assert len(relay.taken) == 1


async def test_a_message_taken_with_its_answer_lost_is_sent_again_as_the_same_message(
    inbox: RunningInbox, make_mailer: MakeMailer
):
    mailer = make_mailer(inbox.smtp_port)
    await inbox.fault("lost", 1)
    with pytest.raises(Unavailable):
        await mailer.send(mail(key="k:1"))
    await mailer.send(mail(key="k:1"))
    first, second = await inbox.wait_for("ann@example.com", count=2)
    assert first.message_id == second.message_id


async def test_silence_after_the_final_dot_is_bounded_and_both_copies_carry_the_same_message_id(
    start_relay: StartRelay, make_mailer: MakeMailer
):
    relay, released = await start_relay(), asyncio.Event()

    async def silence() -> str:
        await released.wait()
        return "250 OK"

    relay.on_data.append(silence)
    mailer = make_mailer(relay.port, limits=IMPATIENT)
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="did not answer in time"):
        await mailer.send(mail(key="k:1"))
    assert asyncio.get_running_loop().time() - started < 3.0
    released.set()
    await mailer.send(mail(key="k:1"))
    first, second = relay.taken
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_relay_that_stops_answering_in_mid_envelope_is_given_up(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()

    async def silence() -> str:
        await asyncio.sleep(3)
        return "250 OK"

    relay.on_rcpt.append(silence)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await make_mailer(relay.port, limits=IMPATIENT).send(mail())
    assert not relay.taken


async def test_a_server_that_says_nothing_at_all_is_given_up(make_mailer: MakeMailer):
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    mute = Limits(connect=0.3, command=0.3, total=0.6)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await make_mailer(server.sockets[0].getsockname()[1], limits=mute).send(mail())
    server.close()


@pytest.mark.parametrize(
    ("place", "answer", "error", "code"),
    [
        ("on_rcpt", "550 5.1.1 unknown", RecipientRefused, "recipient_refused"),
        ("on_rcpt", "553 bad mailbox", RecipientRefused, "recipient_refused"),
        ("on_rcpt", "530 5.7.0 log in first", Unavailable, "relay_misconfigured"),
        ("on_rcpt", "450 4.7.1 greylisted", Unavailable, "unavailable"),
        ("on_rcpt", "421 4.3.2 closing", Unavailable, "unavailable"),
        ("on_mail", "550 5.1.8 who are you", Unavailable, "relay_misconfigured"),
        ("on_mail", "550 5.7.1 not from there", Unavailable, "relay_misconfigured"),
        ("on_mail", "552 5.2.2 mailbox full", RecipientRefused, "recipient_refused"),
        ("on_mail", "451 4.3.0 later", Unavailable, "unavailable"),
        ("on_data", "550 5.2.2 mailbox full", RecipientRefused, "recipient_refused"),
        ("on_data", "554 5.7.1 looks like spam", RecipientRefused, "recipient_refused"),
        ("on_data", "451 4.3.0 later", Unavailable, "unavailable"),
        ("on_data", "452 4.3.1 disk full", Unavailable, "unavailable"),
    ],
)
async def test_every_answer_of_a_relay_has_one_meaning_and_the_next_mail_is_not_harmed(
    place: str, answer: str, error: type[Exception], code: str, start_relay: StartRelay, make_mailer: MakeMailer
):
    relay = await start_relay()
    getattr(relay, place).append(answer)
    mailer = make_mailer(relay.port)
    with pytest.raises(error) as raised:
        await mailer.send(mail(key="k:1"))
    assert raised.value.code == code  # type: ignore[attr-defined]
    relay.taken.clear()
    await mailer.send(mail(key="k:2"))
    assert len(relay.taken) == 1


async def test_a_hostile_name_never_reaches_the_relay(inbox: RunningInbox, make_mailer: MakeMailer):
    with pytest.raises(Refused):
        await make_mailer(inbox.smtp_port).send(mail(tenant_name="x\r\nBcc: eve@evil.example"))
    assert await inbox.messages() == []


async def test_an_address_outside_ascii_is_delivered_where_the_relay_can(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    await make_mailer(relay.port).send(mail(to="josé@bücher.example"))
    (message,) = relay.taken
    assert "xn--bcher-kva.example" in str(message["To"])


async def test_an_address_outside_ascii_is_refused_where_the_relay_cannot(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay(enable_SMTPUTF8=False)
    with pytest.raises(RecipientRefused, match="outside ASCII"):
        await make_mailer(relay.port).send(mail(to="josé@example.com"))


# TLS and login


async def test_starttls_and_login(certificates: Certificates, start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay(tls_context=certificates.server, require_starttls=True, login=True)
    mailer = make_mailer(
        relay.port, tls=certificates.client, smtp_tls="starttls", smtp_username="dialtone", smtp_password="s3cret"
    )
    await mailer.send(mail(key="k:1"))
    await mailer.send(mail(key="k:2"))
    assert relay.encrypted == [True, True]
    assert relay.logins == ["dialtone"], "the connection is used again, and so is its login"


async def test_tls_from_the_first_byte(certificates: Certificates, start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay(implicit_tls=certificates.server)
    await make_mailer(relay.port, tls=certificates.client, smtp_tls="implicit").send(mail())
    assert len(relay.taken) == 1


async def test_a_wrong_password_waits_for_whoever_can_mend_it(
    certificates: Certificates, start_relay: StartRelay, make_mailer: MakeMailer, caplog: pytest.LogCaptureFixture
):
    relay = await start_relay(tls_context=certificates.server, require_starttls=True, login=True)
    mailer = make_mailer(relay.port, tls=certificates.client, smtp_tls="starttls", smtp_username="dialtone", smtp_password="no")
    with pytest.raises(Unavailable, match="refuses the login") as unavailable:
        await mailer.send(mail())
    assert unavailable.value.code == "relay_misconfigured"
    assert "DIALTONE_SMTP_PASSWORD" in caplog.text


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_certificate_that_is_not_trusted_or_not_theirs_gets_no_mail(
    mode: str, certificates: Certificates, start_relay: StartRelay, make_mailer: MakeMailer, caplog: pytest.LogCaptureFixture
):
    elsewhere = certificates_for("other.example")
    for server, client in ((certificates.server, elsewhere.client), (elsewhere.server, elsewhere.client)):
        relay = await start_relay(**({"tls_context": server} if mode == "starttls" else {"implicit_tls": server}))
        with pytest.raises(Unavailable, match="certificate") as unavailable:
            await make_mailer(relay.port, tls=client, smtp_tls=mode).send(mail())
        assert unavailable.value.code == "relay_misconfigured"
        assert not relay.taken
    assert any(record.levelno == logging.ERROR and "certificate" in record.message for record in caplog.records)


async def test_without_a_trust_store_of_its_own_the_systems_is_used(
    certificates: Certificates, start_relay: StartRelay, make_mailer: MakeMailer
):
    relay = await start_relay(tls_context=certificates.server)
    with pytest.raises(Unavailable, match="certificate"):
        await make_mailer(relay.port, smtp_tls="starttls").send(mail())


async def test_a_relay_without_starttls_gets_nothing_in_clear(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    with pytest.raises(Unavailable) as unavailable:
        await make_mailer(relay.port, smtp_tls="starttls").send(mail())
    assert unavailable.value.code == "relay_misconfigured"
    assert not relay.taken
