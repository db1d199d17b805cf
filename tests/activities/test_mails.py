from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.mails import MailActivities
from domain.errors import RecipientRefused, Unavailable
from domain.mails import Mail, MailOrder
from tests.activities.values import LETTER


class PostOffice:
    """Relay and records in one: what is with the relay, and what our records say is."""

    def __init__(self) -> None:
        self.delivered: list[Mail] = []
        self.recorded: list[MailOrder] = []
        self.relay_says: Exception | None = None
        self.records_say: Exception | None = None

    async def address(self, order: MailOrder) -> Mail | None:
        if order in self.recorded:
            return None
        return Mail(key=order.key, kind=order.kind, recipients=("ada@example.com",), facts={})

    async def send(self, mail: Mail) -> None:
        if self.relay_says:
            raise self.relay_says
        self.delivered.append(mail)

    async def sent(self, order: MailOrder) -> None:
        if self.records_say:
            raise self.records_say
        self.recorded.append(order)


@pytest.fixture
def post() -> PostOffice:
    return PostOffice()


async def send(post: PostOffice) -> Any:
    return await ActivityEnvironment().run(MailActivities(post, post).send_mail, LETTER)


async def test_a_letter_goes_out_once(post: PostOffice) -> None:
    await send(post)
    await send(post)
    assert [mail.key for mail in post.delivered] == [LETTER.key]
    assert post.recorded == [LETTER]


@pytest.mark.parametrize("answer", [RecipientRefused("No such mailbox."), Unavailable("Try later.")])
async def test_a_letter_that_the_relay_did_not_take_is_not_recorded_as_sent(post: PostOffice, answer: Exception) -> None:
    post.relay_says = answer
    with pytest.raises(ApplicationError) as failed:
        await send(post)
    assert failed.value.non_retryable == isinstance(answer, RecipientRefused)
    assert post.recorded == []
    post.relay_says = None
    await send(post)
    assert len(post.delivered) == len(post.recorded) == 1


async def test_a_letter_whose_record_was_lost_is_not_sent_again_by_the_same_worker(post: PostOffice) -> None:
    worker = MailActivities(post, post)
    post.records_say = Unavailable("The database is gone.")
    for _ in range(3):
        with pytest.raises(ApplicationError):
            await ActivityEnvironment().run(worker.send_mail, LETTER)
    post.records_say = None
    for _ in range(2):
        await ActivityEnvironment().run(worker.send_mail, LETTER)
    assert [mail.key for mail in post.delivered] == [LETTER.key]
    assert post.recorded == [LETTER]


async def test_a_letter_whose_record_was_lost_goes_out_again_as_the_same_message_from_another(post: PostOffice) -> None:
    post.records_say = Unavailable("The database is gone.")
    with pytest.raises(ApplicationError):
        await send(post)
    post.records_say = None
    await send(post)
    assert [mail.key for mail in post.delivered] == [LETTER.key, LETTER.key]
    assert post.recorded == [LETTER]
