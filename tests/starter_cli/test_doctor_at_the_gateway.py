"""The doctor asks the gateway about each account that a white label has there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import AnyHttpUrl

from adapters.database import Database, migrate
from adapters.settings import Settings
from starter.doctor import Examined, examine
from tests.builders import a_tenant
from tests.stripe import SDK_WARNING

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)


@contextmanager
def gateway_of(*connected: str) -> Iterator[AnyHttpUrl]:
    """A gateway that answers, in Stripe's own words, for its own account and these."""

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            account = self.headers.get("Stripe-Account")
            known = account is None or account in connected
            error = {
                "type": "invalid_request_error",
                "code": "resource_missing" if known else "account_invalid",
                "message": "No.",
            }
            content = json.dumps({"error": error}).encode()
            self.send_response(404 if known else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield AnyHttpUrl(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


async def examined(state_dir: Path, base: AnyHttpUrl, accounts: dict[str, str | None]) -> Examined:
    """What the doctor says of the gateway in an installation with these white labels."""
    settings = Settings(state_dir=state_dir, stripe_api_base=base, smtp_port=9)
    await migrate(settings.database)
    database = Database(settings.database)
    try:
        await database.admin.put_platform()
        for slug, account in accounts.items():
            await database.admin.put_tenant(a_tenant(id=slug, slug=slug, name=slug, gateway_account=account))
    finally:
        await database.close()
    return next(part for part in await examine(settings) if part.part == "gateway")


@pytest.fixture(autouse=True)
def _no_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


async def test_accounts_that_answer_are_counted(tmp_path: Path) -> None:
    with gateway_of("acct_1North", "acct_1South") as base:
        found = await examined(tmp_path, base, {"north": "acct_1North", "south": "acct_1South", "ours": None})
    assert found.well, found.sentence
    assert found.sentence.endswith("Accounts of white labels that answer too: 2.")


async def test_an_account_that_is_not_connected_is_named_with_its_white_labels(tmp_path: Path) -> None:
    with gateway_of("acct_1North") as base:
        found = await examined(tmp_path, base, {"north": "acct_1North", "south": "acct_1Gone", "west": "acct_1Gone"})
    assert not found.well
    assert "acct_1Gone of south, west" in found.sentence
    assert "gateway_account" in found.sentence
