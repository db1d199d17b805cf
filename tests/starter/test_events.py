"""The event stream: resumes where it stopped, ends when the onboarding has ended, holds nothing meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from domain.onboarding import State
from starter import events
from tests.starter.conftest import House
from tests.starter.memory import Reader

STREAM = {"Accept": "text/event-stream"}


def entries(text: str) -> list[tuple[int, str]]:
    """The id and event of every frame, as a browser reads them."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            assert json.loads(fields["data"])["sequence"] == int(fields["id"])
            found.append((int(fields["id"]), fields["event"]))
    return found


async def test_the_timeline_is_json_by_default(house: House) -> None:
    view, another = house.onboarding(), house.onboarding()
    house.reader.note(view.id, "opened", State.OPENING)
    house.reader.note(another.id, "opened", State.OPENING)
    house.reader.note(view.id, "reserved", State.RESERVING)
    path = f"/v1/onboardings/{view.id}/events"
    everything = (await house.http.get(path, headers=house.by("auditor"))).json()
    later = (await house.http.get(f"{path}?after=1", headers=house.by("auditor"))).json()
    assert [item["sequence"] for item in everything["items"]] == [1, 3]
    assert [item["event"] for item in later["items"]] == ["reserved"]


async def test_a_stream_tells_everything_and_ends_with_the_onboarding(house: House) -> None:
    view = house.onboarding(state=State.ACTIVE)
    for event, state in (("opened", State.OPENING), ("active", State.ACTIVE), ("mail_sent", State.ACTIVE)):
        house.reader.note(view.id, event, state)
    response = await house.http.get(f"/v1/onboardings/{view.id}/events", headers=house.by("auditor", **STREAM))
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.text.startswith("retry: 2000\n\n")
    assert entries(response.text) == [(1, "opened"), (2, "active"), (3, "mail_sent")]


async def test_a_stream_resumes_after_the_last_event_id(house: House) -> None:
    view = house.onboarding(state=State.ACTIVE)
    for event in ("opened", "reserved", "active"):
        house.reader.note(view.id, event, State.ACTIVE if event == "active" else State.RESERVING)
    headers = house.by("auditor", **STREAM, **{"Last-Event-ID": "1"})
    response = await house.http.get(f"/v1/onboardings/{view.id}/events?after=0", headers=headers)
    assert entries(response.text) == [(2, "reserved"), (3, "active")]
    headers["Last-Event-ID"] = "3"
    nothing_more = await house.http.get(f"/v1/onboardings/{view.id}/events", headers=headers)
    assert nothing_more.status_code == 204, "204 is what stops a browser from reconnecting"


async def test_a_stream_is_closed_to_other_white_labels(house: House) -> None:
    view = house.onboarding(state=State.ACTIVE)
    response = await house.http.get(f"/v1/onboardings/{view.id}/events", headers=house.by("other", **STREAM))
    assert response.status_code == 404


async def _read(stream: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for part in stream:
        into.append(part)  # noqa: PERF401 - one by one, as they come


async def test_what_happens_while_somebody_watches_arrives(house: House) -> None:
    view = house.onboarding()
    told: list[bytes] = []
    stream = events.stream(house.reader, view.id, 0, asyncio.Event(), look_every=0.01)
    async with asyncio.timeout(20):
        watching = asyncio.create_task(_read(stream, told))
        await asyncio.sleep(0.05)
        house.reader.note(view.id, "opened", State.OPENING)
        await asyncio.sleep(0.05)
        assert not watching.done()
        house.reader.note(view.id, "cancelled", State.CANCELLED)
        await watching
    assert entries(b"".join(told).decode()) == [(1, "opened"), (2, "cancelled")]


async def test_an_idle_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PING_EVERY", 0.02)
    closing, told = asyncio.Event(), list[bytes]()
    async with asyncio.timeout(20):
        watching = asyncio.create_task(_read(events.stream(Reader(), "nobody", 0, closing, look_every=0.01), told))
        while told.count(b": ping\n\n") < 2:  # noqa: ASYNC110 - that is what is measured
            await asyncio.sleep(0.01)
        closing.set()
        await watching


async def test_a_stream_does_not_outlive_the_key_that_opened_it_for_long(house: House) -> None:
    view, told = house.onboarding(), list[bytes]()
    house.reader.note(view.id, "opened", State.OPENING)
    async with asyncio.timeout(20):
        await _read(events.stream(house.reader, view.id, 0, asyncio.Event(), look_every=0.01, longest=0.05), told)
    assert entries(b"".join(told).decode()) == [(1, "opened")], "what was there is told before it ends"
    assert events.LONGEST <= 600


async def test_open_streams_end_when_the_process_is_told_to_stop() -> None:
    closing = asyncio.Event()
    watching = asyncio.create_task(_read(events.stream(Reader(), "nobody", 0, closing, look_every=60), []))
    await asyncio.sleep(0.01)
    closing.set()
    async with asyncio.timeout(20):
        await watching


async def test_a_key_has_only_so_many_streams_and_gets_another_when_one_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_PER_KEY", 2)
    view = house.onboarding()
    path = f"/v1/onboardings/{view.id}/events"
    streams = [asyncio.create_task(house.http.get(path, headers=house.by("auditor", **STREAM))) for _ in range(2)]
    async with asyncio.timeout(20):
        while house.reader.looks < 2:  # noqa: ASYNC110 - both are open
            await asyncio.sleep(0.01)
    refused = await house.http.get(path, headers=house.by("auditor", **STREAM))
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, "too_many_streams", "5")
    assert (await house.http.get(path, headers=house.by("auditor"))).status_code == 200, "JSON is not counted"
    streams[0].cancel()
    await asyncio.wait(streams[:1])
    another = asyncio.create_task(house.http.get(path, headers=house.by("auditor", **STREAM)))
    others = asyncio.create_task(house.http.get(path, headers=house.by("admin", **STREAM)))
    await asyncio.sleep(0.01)
    house.services.closing.set()
    assert [(await task).status_code for task in (streams[1], another, others)] == [200, 200, 200]
