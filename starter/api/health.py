"""Whether this process lives, and whether it can do its work."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from starter.api.access import Work
from starter.api.described import problems

router = APIRouter(tags=["Health"])

_PATIENCE = 2.0


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """``checks`` has an entry per thing that must answer: ``ok`` or ``unavailable``."""

    ready: bool
    checks: dict[str, Literal["ok", "unavailable"]]


@router.get("/healthz", summary="The process lives", responses={500: problems()[500]})
async def healthz() -> Health:
    return Health()


@router.get(
    "/readyz",
    summary="The process can do its work",
    responses={500: problems()[500], 503: {"model": Readiness, "description": "Something does not answer; `checks` says what"}},
)
async def readyz(services: Work, response: Response) -> Readiness:
    async def probe(name: str) -> Literal["ok", "unavailable"]:
        try:
            async with asyncio.timeout(_PATIENCE):
                await services.probes[name]()
        except Exception:  # noqa: BLE001 - whatever it is, it is not ready
            return "unavailable"
        return "ok"

    results = await asyncio.gather(*(probe(name) for name in services.probes))
    checks = dict(zip(services.probes, results, strict=True))
    ready = all(result == "ok" for result in results)
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return Readiness(ready=ready, checks=checks)
