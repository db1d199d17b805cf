"""The relay refuses for a while, then for good: the first delays a letter, the second holds the order until somebody corrects it."""

import uuid

import httpx
import pytest

from domain.mails import MailKind
from domain.onboarding import Correction, State
from tests.builders import an_onboarding
from tests.builders import an_order as order_of
from tests.faults.ground import Ground, an_order


async def relay_suffers(ground: Ground, kind: str, count: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.post(f"{ground.mailbox_url}/api/faults", json={"kind": kind, "count": count})).raise_for_status()


@pytest.mark.parametrize(("kind", "count", "copies"), [("down", 3, 1), ("busy", 3, 1), ("lost", 1, 2)])
async def test_a_relay_that_refuses_for_a_while_delays_a_letter_and_nothing_else(
    ground: Ground, kind: str, count: int, copies: int
) -> None:
    await relay_suffers(ground, kind, count)
    async with ground.kept_worker():
        begun = an_order("Ada's Bakery", card=True)
        await ground.order(begun)
        await ground.activated(begun.id)
        await ground.paid(begun.id)
        assert await ground.over(begun.id) is State.ACTIVE
    assert ground.director.times("mailer.send", "refused") == count
    # Taken by the relay, and the answer lost: the only reason for a second copy.
    await ground.sound(copies=copies)


async def test_an_address_refused_for_good_holds_the_order_until_it_is_corrected(ground: Ground) -> None:
    """The worker dies while the order is held, and again when the correction is written down."""
    address = f"ada-{uuid.uuid4().hex[:8]}@example.com"
    begun = an_onboarding(order_of(name=f"Ada's Bakery {uuid.uuid4().hex[:8]}", email=f"refuse-{address}"))
    async with ground.kept_worker() as keeper:
        await ground.order(begun)
        held = await ground.reaches(begun.id, State.HELD)
        assert held.needs_attention == "recipient_refused"
        # The row says "held" before the history does. Only what is in the history is remembered by the next worker, which
        # otherwise meets the correction first and has nobody to call.
        await ground.until(lambda: ground.has_sent(begun.id, MailKind.OPERATOR_NEEDED), "the operators to be called")
        keeper.process.kill()
        corrected = ground.director.cue("records.amend", "after", "kill")
        await ground.tell(begun.id, "correct", Correction(actor="key:operator", email=address), once_said=["not_waiting"])
        await ground.activated(begun.id)
        await ground.paid(begun.id)
        assert await ground.over(begun.id) is State.ACTIVE
    assert (corrected.fired, ground.deaths) == (1, 2)
    letters = [kind for kind, _ in await ground.database.reader.mails(begun.id)]
    assert (letters.count(MailKind.ACTIVATION), letters.count(MailKind.OPERATOR_NEEDED)) == (1, 1)
    await ground.sound()


async def test_a_welcome_that_cannot_be_delivered_takes_nothing_back(ground: Ground) -> None:
    """After the point of no return a letter that fails is noted, and that is all."""
    begun = an_order("Ada's Bakery")
    ground.director.cue("mailer.send", "before", "refuse", times=99)
    async with ground.kept_worker():
        await ground.order(begun)
        assert await ground.over(begun.id) is State.ACTIVE
    events = [event.event for event in await ground.database.reader.timeline(begun.id)]
    assert "mail_failed" in events
    await ground.sound()
