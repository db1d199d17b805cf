"""What accepting an order costs: POST to 202, beside a bare start of the same workflow.

The worker is stopped meanwhile, as it may be (accepted orders wait), so that nothing but accepting is measured. Requests go
over kept connections, as a client of an API has them.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bench import customers
from bench.figures import Round, cpu_ms, over_rounds, paired
from bench.laboratory import Laboratory, start
from bench.load import flood
from starter.local.stack import TASK_QUEUE

ROUNDS, PER_ROUND, IN_FLIGHT = 7, 100, 8


@dataclass
class _Api:
    """Just enough of HTTP/1.1 to post an order: any more would be measured too."""

    port: int
    key: str
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def post(self) -> None:
        """Order for a new customer. Raises ``RuntimeError`` for any answer but 202."""
        body = json.dumps(customers.body()).encode()
        head = (
            f"POST /v1/onboardings HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode() + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        answer = await reader.readexactly(length)
        if " 202 " not in status:
            raise RuntimeError(f"The web process answered {status!r} instead of 202: {answer.decode()[:300]}")
        self._idle.append((reader, writer))

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def _api(lab: Laboratory) -> AsyncIterator[_Api]:
    api = _Api(lab.stack.ports.web, lab.api_key)
    try:
        yield api
    finally:
        await api.close()


async def measure(lab: Laboratory, rounds: int = ROUNDS, per_round: int = PER_ROUND) -> dict[str, float]:
    """Milliseconds to 202 and to a started workflow, one at a time and eight, and the ratios. Leaves the worker stopped."""
    await asyncio.to_thread(lab.stack.stop_part, "worker")
    client = await lab.connect()
    web = {"web": lab.stack.pids()["web"]}

    async def begin() -> None:
        await start(client, "onboarding", customers.onboarding(), TASK_QUEUE)

    figures: dict[str, float] = {}
    async with _api(lab) as api:
        for name, in_flight in {"": 1, "_concurrent": IN_FLIGHT}.items():
            posts, starts = list[Round](), list[Round]()
            for turn in range(rounds + 1):
                pair = (await flood(api.post, per_round, in_flight, web), await flood(begin, per_round, in_flight, web))
                if turn:  # the first warms up
                    posts.append(pair[0])
                    starts.append(pair[1])
            figures |= {
                f"post_vs_start{name}": paired(posts, starts, lambda each: each.p95),
                f"post{name}_p50_ms": over_rounds(posts, lambda each: each.p50 * 1000),
                f"post{name}_p95_ms": over_rounds(posts, lambda each: each.p95 * 1000),
                f"start{name}_p50_ms": over_rounds(starts, lambda each: each.p50 * 1000),
                f"start{name}_p95_ms": over_rounds(starts, lambda each: each.p95 * 1000),
                f"post{name}_web_cpu_ms": cpu_ms(posts, "web"),
            }
    return figures
