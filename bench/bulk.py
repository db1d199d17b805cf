"""``python -m bench.bulk [ROWS]``: carry a file of orders out on the local stack, and print what it took as one line of JSON last.

2,000 rows unless told otherwise; 10,000 is the most that a file may have. The rows wait for their customers' activation, as
most orders do, so what is measured is checking, keeping and starting them, and that the run's own history stays small.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

import httpx
from temporalio.client import Client, WorkflowExecution

from bench import customers
from bench.laboratory import Laboratory, laboratory
from domain.keys import bulk_workflow_id
from domain.orders import Administration

LOOK_EVERY = 1.0


def lines(rows: int) -> bytes:
    """As many orders as JSON lines."""
    orders = (customers.body(Administration.CUSTOMER) | {"services": []} for _ in range(rows))
    return "".join(json.dumps(order) + "\n" for order in orders).encode()


async def measure(lab: Laboratory, rows: int) -> dict[str, float]:
    """Seconds to accept and to start a file of this many orders, and the size of the run's histories."""
    client = await lab.connect()
    headers = {"Authorization": f"Bearer {lab.api_key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{lab.stack.ports.web}", headers=headers, timeout=600) as http:
        began = time.monotonic()
        sent = await http.post(
            "/v1/bulk-runs",
            content=lines(rows),
            params={"rate": 6000, "at_once": 500},
            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": "bench"},
        )
        accepted = time.monotonic()
        if sent.status_code != httpx.codes.ACCEPTED:
            raise RuntimeError(f"The file was answered {sent.status_code}: {sent.text[:300]}")
        run = sent.json()["id"]
        while True:
            seen: dict[str, Any] = (await http.get(f"/v1/bulk-runs/{run}")).json()
            print(f"{time.monotonic() - accepted:6.0f} s  {seen['left']} left", file=sys.stderr, flush=True)
            if seen["state"] == "finished":
                break
            await asyncio.sleep(LOOK_EVERY)
        started = time.monotonic()
    runs = await _histories(client, run)
    if seen["rows"] != {"started": rows} or sum(seen["onboardings"].values()) > rows:
        raise RuntimeError(f"Not every row was started once: {seen}")
    return {
        "rows": rows,
        "accept_seconds": accepted - began,
        "start_seconds": started - accepted,
        "started_a_second": rows / (started - accepted),
        "runs": len(runs),
        "most_events": max(events for events, _ in runs),
        "most_bytes": max(size for _, size in runs),
    }


async def _histories(client: Client, run: str) -> list[tuple[int, int]]:
    """Events and bytes of every run that it was continued as."""
    found: list[WorkflowExecution] = [
        execution async for execution in client.list_workflows(f"WorkflowId = '{bulk_workflow_id(run)}'")
    ]
    sizes = []
    for execution in found:
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        sizes.append((len(history.events), sum(event.ByteSize() for event in history.events)))
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description="Carry a file of orders out, and measure it.")
    parser.add_argument("rows", nargs="?", type=int, default=2_000)
    rows = parser.parse_args().rows
    with laboratory() as lab:
        figures = asyncio.run(measure(lab, rows))
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
