"""The embedded relay: keeps what comes, shows it safely, fails on demand."""

import asyncio
import json
import sys
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from starter.local.inbox import RunningInbox, start_inbox
from starter.local.inbox.store import Store
from tests.adapters.mail.conftest import MakeMailer
from tests.adapters.mail.samples import mail
from tests.mailbox import customer_link, running_inbox

HOSTILE = b"""From: "<script>alert(1)</script>" <eve@evil.example>\r
To: ann@example.com\r
Subject: =?utf-8?q?=3Cscript=3Ealert=282=29=3C/script=3E?=\r
Content-Type: text/html; charset=utf-8\r
\r
<html><head></head><body><script>alert(3)</script><img src="https://evil.example/pixel.png"></body></html>\r
"""


async def browse(inbox: RunningInbox, path: str, method: str = "GET", **options: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=inbox.url, trust_env=False) as browser:
        return await browser.request(method, path, **options)  # type: ignore[arg-type]


async def hand_over(inbox: RunningInbox, content: bytes, to: str = "ann@example.com") -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.smtp_port, local_hostname="test") as relay:
        await relay.sendmail("eve@evil.example", [to], content)


async def test_messages_survive_a_restart(tmp_path: Path, make_mailer: MakeMailer):
    async with running_inbox(tmp_path) as inbox:
        await make_mailer(inbox.smtp_port).send(mail(to="ann@example.com"))
        (before,) = await inbox.messages()
    async with running_inbox(tmp_path) as inbox:
        assert await inbox.messages() == [before]


async def test_messages_come_newest_first_and_by_recipient(inbox: RunningInbox, make_mailer: MakeMailer):
    mailer = make_mailer(inbox.smtp_port)
    for number, to in enumerate(["ann@example.com", "joann@example.com", "Ann@example.com"]):
        await mailer.send(mail(to=to, key=f"k:{number}"))
    assert [message.id for message in await inbox.messages()] == [3, 2, 1]
    assert [message.id for message in await inbox.messages(to="ann@example.com")] == [3, 1], "a whole address is exact"
    assert [message.id for message in await inbox.messages(to="joann")] == [2], "without @ it is a part"
    assert await inbox.messages(to="%") == []
    page = (await browse(inbox, "/api/messages", params={"limit": 1, "before": 3})).json()
    assert ([message["id"] for message in page["messages"]], page["newest"]) == ([2], 3)


async def test_one_message_as_json_has_its_parts_and_links(inbox: RunningInbox, make_mailer: MakeMailer):
    await make_mailer(inbox.smtp_port).send(mail())
    (message,) = await inbox.messages()
    found = (await browse(inbox, "/api/messages/1")).json()
    assert found["links"] == [customer_link(message)]
    assert found["text"] == message.text
    assert found["html"] == message.html
    assert ["Auto-Submitted", "auto-generated"] in found["headers"]
    assert (await browse(inbox, "/api/messages/2")).status_code == 404


async def test_the_pages_show_the_list_and_every_part_of_a_message(inbox: RunningInbox, make_mailer: MakeMailer):
    await make_mailer(inbox.smtp_port).send(mail())
    assert "Activate your Brindley Voice service" in (await browse(inbox, "/")).text
    assert "No message to" in (await browse(inbox, "/", params={"to": "nobody"})).text
    for view, said in {
        "html": "<iframe",
        "text": "Hello Ann Baker",
        "headers": "Auto-Submitted",
        "raw": "quoted-printable",
    }.items():
        page = await browse(inbox, "/messages/1", params={"view": view})
        assert page.status_code == 200
        assert said in page.text
    raw = await browse(inbox, "/messages/1/raw")
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.content.startswith(b"From: Brindley Voice")
    assert (await browse(inbox, "/messages/2")).status_code == 404
    assert (await browse(inbox, "/static/inbox.css")).status_code == 200


async def test_a_long_list_goes_on_with_older_messages(tmp_path: Path):
    store = Store(tmp_path / "inbox.db")
    for number in range(120):
        store.add("a@x.example", ["ann@example.com"], f"Subject: n{number}\r\n\r\ntext".encode())
    store.close()
    async with running_inbox(tmp_path) as inbox:
        first = (await browse(inbox, "/")).text
        assert ">n119<" in first
        assert ">n19<" not in first
        assert "/?to=&amp;before=21" in first
        rest = (await browse(inbox, "/?to=&before=21")).text
        assert ">n19<" in rest
        assert "Older messages" not in rest


async def test_a_strangers_html_can_neither_run_nor_load_anything(inbox: RunningInbox):
    await hand_over(inbox, HOSTILE)
    shown = await browse(inbox, "/messages/1/html")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    for page in (await browse(inbox, "/"), await browse(inbox, "/messages/1")):
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(2)" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in (await browse(inbox, "/messages/1")).text


@pytest.mark.parametrize(
    "content",
    [b"", b"no headers at all", b"Subject: x\n\nbare line feeds", b"Content-Type: text/plain; charset=none-such\r\n\r\n\xff"],
)
async def test_what_is_hardly_a_message_is_shown_all_the_same(content: bytes, tmp_path: Path):
    store = Store(tmp_path / "inbox.db")
    number = store.add("", ["ann@example.com"], content)
    store.close()
    async with running_inbox(tmp_path) as inbox:
        assert (await browse(inbox, "/")).status_code == 200
        assert (await browse(inbox, f"/messages/{number}")).status_code == 200
        assert len(await inbox.messages()) == 1


async def test_other_names_and_other_sites_are_turned_away(inbox: RunningInbox, make_mailer: MakeMailer):
    await make_mailer(inbox.smtp_port).send(mail())
    rebound = await browse(inbox, "/api/messages", headers={"host": "evil.example"})
    assert rebound.status_code == 400
    for path, method in (("/clear", "POST"), ("/api/messages", "DELETE"), ("/api/faults", "POST")):
        assert (await browse(inbox, path, method, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert len(await inbox.messages()) == 1


async def test_messages_can_be_deleted_by_page_and_by_program(inbox: RunningInbox, make_mailer: MakeMailer):
    mailer = make_mailer(inbox.smtp_port)
    await mailer.send(mail(key="k:1"))
    answer = await browse(inbox, "/clear", "POST", data={"to": "ann"}, headers={"sec-fetch-site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?to=ann")
    assert await inbox.messages() == []
    await mailer.send(mail(key="k:2"))
    assert (await browse(inbox, "/api/messages", "DELETE")).json() == {"deleted": 1}
    assert await inbox.messages() == []


@pytest.mark.parametrize(("fault", "kept"), [("down", 0), ("busy", 0), ("refuse", 0), ("lost", 1)])
async def test_a_fault_happens_as_often_as_asked_and_then_no_more(fault: str, kept: int, inbox: RunningInbox):
    await inbox.fault(fault, 1)
    with pytest.raises(aiosmtplib.SMTPException):
        await hand_over(inbox, b"Subject: one\r\n\r\n")
    assert len(await inbox.messages()) == kept
    await hand_over(inbox, b"Subject: two\r\n\r\n")
    assert len(await inbox.messages()) == kept + 1
    assert (await browse(inbox, "/api/faults")).json() == {"down": 0, "busy": 0, "refuse": 0, "lost": 0}


async def test_a_fault_can_be_taken_back_and_a_wrong_one_is_refused(inbox: RunningInbox):
    await inbox.fault("refuse", 5)
    await inbox.fault("refuse", 0)
    await hand_over(inbox, b"Subject: one\r\n\r\n")
    assert (await browse(inbox, "/api/faults", "POST", json={"kind": "fire", "count": 1})).status_code == 422
    assert (await browse(inbox, "/api/faults", "POST", json={"kind": "down", "count": -1})).status_code == 422


async def test_waiting_for_a_mail_that_does_not_come_says_what_came(inbox: RunningInbox):
    await hand_over(inbox, b"Subject: something else\r\n\r\n")
    with pytest.raises(TimeoutError, match="something else"):
        await inbox.wait_for("ann@example.com", subject="Welcome", seconds=0.1)


async def test_it_ends_with_whoever_started_it(tmp_path: Path):
    command = [sys.executable, "-m", "starter.local.inbox", "--with-parent", "--smtp-port", "0", "--http-port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, "--state-dir", str(tmp_path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert set(json.loads(await process.stdout.readline())) == {"smtp_port", "http_port"}
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    await process.communicate()


async def test_a_port_that_is_taken_is_said_in_a_sentence(inbox: RunningInbox, tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"inbox\.log"):
        await start_inbox(tmp_path / "second", smtp_port=inbox.smtp_port)
    assert "Is another one running?" in (tmp_path / "second" / "inbox.log").read_text()
