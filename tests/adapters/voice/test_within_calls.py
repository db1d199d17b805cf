"""What comes within a call is relayed for calls that the switch let through, and for nobody else."""

import asyncio
import socket
from typing import Self

import pytest

from adapters.voice.kamailio import KamailioSwitch
from tests.adapters.voice.ground import DOMAIN, line, password
from tests.sip import RunningKamailio

ALICE = line("d0a11ce", "+441214960101")
BOB = line("d00b0b", "+441214960102")


class Stranger:
    """Somebody on the network without a line, who writes SIP by hand over UDP."""

    def __init__(self, kamailio: RunningKamailio) -> None:
        self._switch = ("127.0.0.1", kamailio.sip_port)
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, method: str, uri: str, *, branch: str, to_tag: str = ";tag=forged") -> None:
        port = self._socket.getsockname()[1]
        headers = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}",
            f"Route: <sip:127.0.0.1:{self._switch[1]};lr>",
            "Max-Forwards: 70",
            "From: <sip:nobody@nowhere.example>;tag=1",
            f"To: <{uri}>{to_tag}",
            f"Call-ID: {branch}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:nobody@127.0.0.1:{port}>",
            "Content-Length: 0",
        )
        self._socket.sendto(("\r\n".join(headers) + "\r\n\r\n").encode(), self._switch)

    async def hears(self) -> str:
        """The first line of the next message that is for the stranger."""
        message = await asyncio.to_thread(self._socket.recv, 65535)
        return message.decode().split("\r\n")[0]


@pytest.mark.parametrize("method", ["INVITE", "BYE", "UPDATE", "INFO", "REFER", "OPTIONS"])
async def test_a_request_within_a_call_that_never_was_reaches_nobody(
    kamailio_with_gateway: RunningKamailio, method: str
) -> None:
    kamailio = kamailio_with_gateway
    async with kamailio.gateway() as gateway:
        with Stranger(kamailio) as stranger:
            stranger.say(method, f"sip:+442079460018@{kamailio.gateway_address}", branch=method.lower())
            assert await stranger.hears() == "SIP/2.0 481 Call/Transaction Does Not Exist"
        assert not gateway.heard


async def test_an_ack_that_belongs_to_nothing_reaches_nobody_and_a_cancel_is_told_so(
    kamailio_with_gateway: RunningKamailio,
) -> None:
    kamailio = kamailio_with_gateway
    async with kamailio.gateway() as gateway:
        with Stranger(kamailio) as stranger:
            uri = f"sip:+442079460018@{kamailio.gateway_address}"
            stranger.say("ACK", uri, branch="ack")
            stranger.say("CANCEL", uri, branch="cancel", to_tag="")
            assert await stranger.hears() == "SIP/2.0 481 Call/Transaction Does Not Exist", "an ACK is never answered"
            # One after the other: what was relayed before this answer has arrived.
            stranger.say("OPTIONS", f"sip:127.0.0.1:{kamailio.sip_port}", branch="options", to_tag="")
            assert await stranger.hears() == "SIP/2.0 200 OK"
        assert not gateway.heard


async def test_a_call_is_changed_by_the_one_side_and_ended_by_the_other(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(ALICE)
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB), scenario="answer_then_hang_up") as phone:
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", scenario="call_and_change")
        assert [message.split(" ")[0] for message in phone.heard if not message.startswith("SIP/2.0 100")] == [
            "INVITE",
            "ACK",
            "INVITE",
            "ACK",
            "SIP/2.0",
        ]


async def test_a_call_that_is_given_up_while_it_rings_stops_ringing(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    await switch.provision(ALICE)
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB), scenario="ring") as phone:
        answer = await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", scenario="give_up")
        assert (answer.status, answer.reason) == (487, "Request Terminated")
        assert [message.split(" ")[0] for message in phone.heard][:2] == ["INVITE", "CANCEL"]
