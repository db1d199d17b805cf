"""Connections are kept for the next mail, and never trusted for longer than they last."""

import asyncio

import pytest

from adapters.mail.relay import Limits
from domain.errors import RecipientRefused, Unavailable
from starter.local.inbox import RunningInbox
from tests.adapters.mail.conftest import MakeMailer, StartRelay
from tests.adapters.mail.samples import mail


async def test_mails_one_after_another_use_one_connection(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    mailer = make_mailer(relay.port)
    for number in range(5):
        await mailer.send(mail(key=f"k:{number}"))
    assert (len(relay.taken), len(relay.sessions)) == (5, 1)


async def test_a_refusal_does_not_cost_the_connection(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    relay.on_rcpt += ["550 5.1.1 unknown"]
    mailer = make_mailer(relay.port)
    with pytest.raises(RecipientRefused):
        await mailer.send(mail(key="k:1"))
    await mailer.send(mail(key="k:2"))
    assert (len(relay.taken), len(relay.sessions)) == (1, 1)


async def test_fifty_at_once_share_a_few_connections_and_none_is_lost_or_doubled(
    start_relay: StartRelay, make_mailer: MakeMailer
):
    relay = await start_relay()
    mailer = make_mailer(relay.port, limits=Limits(connections=4))
    await asyncio.gather(*(mailer.send(mail(key=f"k:{number}")) for number in range(50)))
    assert len({message["Message-ID"] for message in relay.taken}) == len(relay.taken) == 50
    assert len(relay.sessions) <= 4


async def test_a_connection_that_died_in_the_pool_is_replaced_without_anybody_noticing(
    start_relay: StartRelay, make_mailer: MakeMailer
):
    relay = await start_relay()
    mailer = make_mailer(relay.port)
    await mailer.send(mail(key="k:1"))
    relay.hang_up()
    await mailer.send(mail(key="k:2"))
    assert (len(relay.taken), len(relay.sessions)) == (2, 2)


async def test_a_relay_that_closes_just_as_the_next_mail_begins_is_asked_once_more(
    start_relay: StartRelay, make_mailer: MakeMailer
):
    relay = await start_relay()
    mailer = make_mailer(relay.port)
    await mailer.send(mail(key="k:1"))

    async def drop() -> str:
        relay.hang_up()
        return "421 closing"

    relay.on_mail += [drop]
    await mailer.send(mail(key="k:2"))
    relay.on_mail += ["421 4.3.2 too many mails over this connection"]
    await mailer.send(mail(key="k:3"))
    assert (len(relay.taken), len(relay.sessions)) == (3, 3)


async def test_a_connection_that_went_silent_in_the_pool_is_replaced(start_relay: StartRelay, make_mailer: MakeMailer):
    relay, forever = await start_relay(), asyncio.Event()
    mailer = make_mailer(relay.port, limits=Limits(command=0.3, total=5.0))
    await mailer.send(mail(key="k:1"))

    async def silence() -> str:
        await forever.wait()
        return "250 OK"

    relay.on_mail += [silence]
    await mailer.send(mail(key="k:2"))
    forever.set()
    assert len(relay.taken) == 2


async def test_a_second_broken_connection_is_an_answer_for_the_activity(inbox: RunningInbox, make_mailer: MakeMailer):
    mailer = make_mailer(inbox.smtp_port)
    await mailer.send(mail(key="k:1"))
    await inbox.fault("down", 2)
    with pytest.raises(Unavailable):
        await mailer.send(mail(key="k:2"))
    await mailer.send(mail(key="k:2"))
    assert len(await inbox.messages()) == 2


async def test_nothing_is_repeated_by_itself_once_the_message_was_handed_over(inbox: RunningInbox, make_mailer: MakeMailer):
    mailer = make_mailer(inbox.smtp_port)
    await mailer.send(mail(key="k:1"))
    await inbox.fault("lost", 1)
    with pytest.raises(Unavailable):
        await mailer.send(mail(key="k:2"))
    assert len(await inbox.messages()) == 2


async def test_an_idle_connection_is_closed_and_the_next_mail_opens_another(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    mailer = make_mailer(relay.port, limits=Limits(idle=0.2))
    await mailer.send(mail(key="k:1"))
    (session,) = relay.sessions
    for _ in range(100):
        if session.transport is None or session.transport.is_closing():
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the idle connection is still open after two seconds")
    await mailer.send(mail(key="k:2"))
    assert len(relay.sessions) == 2


async def test_a_connection_is_retired_after_its_share_of_mails(start_relay: StartRelay, make_mailer: MakeMailer):
    relay = await start_relay()
    mailer = make_mailer(relay.port, limits=Limits(mails_per_connection=2))
    for number in range(5):
        await mailer.send(mail(key=f"k:{number}"))
    assert (len(relay.taken), len(relay.sessions)) == (5, 3)


async def test_a_cancelled_mail_leaves_no_half_used_connection_behind(start_relay: StartRelay, make_mailer: MakeMailer):
    relay, forever = await start_relay(), asyncio.Event()
    begun = asyncio.Event()
    mailer = make_mailer(relay.port)

    async def silence() -> str:
        begun.set()
        await forever.wait()
        return "250 OK"

    relay.on_rcpt += [silence]
    sending = asyncio.create_task(mailer.send(mail(key="k:1")))
    await begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    forever.set()
    await mailer.send(mail(key="k:2"))
    assert (len(relay.taken), len(relay.sessions)) == (1, 2)


async def test_waiting_for_a_free_connection_is_bounded_too(start_relay: StartRelay, make_mailer: MakeMailer):
    relay, forever = await start_relay(), asyncio.Event()

    async def silence() -> str:
        await forever.wait()
        return "250 OK"

    relay.on_data += [silence, silence]
    mailer = make_mailer(relay.port, limits=Limits(connections=1, total=0.6))
    began = asyncio.get_running_loop().time()
    results = await asyncio.gather(*(mailer.send(mail(key=f"k:{number}")) for number in range(2)), return_exceptions=True)
    forever.set()
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert asyncio.get_running_loop().time() - began < 1.1, "the second mail's time ran while it waited for the first"
