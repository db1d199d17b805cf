"""The HTTP side: a list, one message, JSON for programs, and the switch for faults."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import FastAPI, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from starter.local.inbox.sink import FAULTS, Sink
from starter.local.inbox.store import Message, Store

_HERE = Path(__file__).parent
_PAGE = 100
_POLICY = "default-src 'none'; img-src data:; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'"
# The message is a stranger's HTML: no scripts, no forms, no origin, nothing loaded. A link opens a tab of its own.
_MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


class Fault(BaseModel):
    """Misbehave in this way the next ``count`` times; 0 ends it."""

    kind: Literal["down", "busy", "refuse", "lost"]
    count: int = Field(ge=0, le=1_000_000)


def application(store: Store, sink: Sink) -> FastAPI:
    """The inbox over a store, and over the sink whose faults it switches."""
    app = FastAPI(title="Dialtone inbox", docs_url=None, redoc_url=None)
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def page(name: str, **variables: object) -> HTMLResponse:
        return HTMLResponse(templates.get_template(name).render(variables), headers={"Content-Security-Policy": _POLICY})

    def found(number: int) -> Message:
        message = store.read(number)
        if message is None:
            raise HTTPException(404, "There is no such message. It may have been deleted.")
        return message

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        # Any page in the developer's browser can post to loopback; only ours may.
        if request.method not in {"GET", "HEAD"} and request.headers.get("sec-fetch-site", "none") not in {
            "same-origin",
            "none",
        }:
            return PlainTextResponse("Only the inbox's own pages may do this.", 403)
        response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    # And only under these names: a stranger's domain that resolves to loopback must not read activation links.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.mount("/static", StaticFiles(directory=_HERE / "static"))

    @app.get("/", response_class=HTMLResponse)
    async def show_list(to: str = "", before: int | None = None) -> Response:
        shown = store.summaries(to.strip(), _PAGE + 1, before)
        more = urlencode({"to": to, "before": shown[_PAGE - 1].id}) if len(shown) > _PAGE else ""
        return page("list.html", messages=shown[:_PAGE], to=to.strip(), more=more, total=store.count(), newest=store.newest())

    @app.get("/messages/{number}", response_class=HTMLResponse)
    async def show_message(number: int, view: Literal["html", "text", "headers", "raw"] | None = None) -> Response:
        message = found(number)
        raw = (store.raw(number) or b"").decode("utf-8", "replace")
        return page("message.html", message=message, view=view or ("html" if message.html else "text"), raw=raw)

    @app.get("/messages/{number}/html", response_class=HTMLResponse)
    async def show_html(number: int) -> Response:
        html = found(number).html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(html, headers={"Content-Security-Policy": _MESSAGE_POLICY})

    @app.get("/messages/{number}/raw")
    async def download(number: int) -> Response:
        found(number)
        headers = {"Content-Disposition": f'attachment; filename="message-{number}.eml"'}
        return Response(store.raw(number), media_type="message/rfc822", headers=headers)

    @app.post("/clear")
    async def clear(to: Annotated[str, Form()] = "") -> Response:
        store.clear()
        return RedirectResponse("/" + (f"?{urlencode({'to': to})}" if to else ""), 303)

    @app.get("/api/messages")
    async def messages(
        to: str = "", limit: Annotated[int, Query(ge=1, le=10_000)] = 200, before: int | None = None, full: bool = False
    ) -> Response:
        shown = store.messages(to, limit) if full else store.summaries(to, limit, before)
        return JSONResponse({"newest": store.newest(), "messages": [message.as_dict() for message in shown]})

    @app.get("/api/messages/{number}")
    async def message(number: int) -> Response:
        return JSONResponse(found(number).as_dict())

    @app.delete("/api/messages")
    async def delete() -> Response:
        return JSONResponse({"deleted": store.clear()})

    @app.get("/api/faults")
    async def faults() -> Response:
        return JSONResponse({kind: sink.faults[kind] for kind in FAULTS})

    @app.post("/api/faults")
    async def set_fault(fault: Fault) -> Response:
        sink.faults[fault.kind] = fault.count
        return JSONResponse({kind: sink.faults[kind] for kind in FAULTS})

    @app.get("/api/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok", "messages": store.count()})

    return app
