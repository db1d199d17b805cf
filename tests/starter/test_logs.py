"""What a process writes about its work: nothing that opens a door."""

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from adapters.payments.card_page import StripeCardPage
from domain.errors import Unavailable
from starter import logs
from starter.local.processes import free_ports


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, chatty = logging.getLogger(), [logging.getLogger(name) for name in ("httpx", "stripe")]
    handlers, levels = list(root.handlers), [logger.level for logger in (root, *chatty)]
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, *chatty), levels, strict=True):
        logger.setLevel(level)


async def test_the_visit_of_a_customer_at_the_card_page_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    (port,) = free_ports(1)
    page = StripeCardPage.connect(SecretStr("sk_test_0"), f"http://127.0.0.1:{port}", timeout=1.0)
    try:
        with pytest.raises(Unavailable):
            await page.finished("cs_test_the_key_of_a_visit", "an-onboarding")
    finally:
        await page.close()
    logging.getLogger("dialtone").info("heard")
    said = capsys.readouterr().err
    assert "heard" in said
    assert "the_key_of_a_visit" not in said
