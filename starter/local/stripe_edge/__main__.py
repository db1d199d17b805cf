"""``python -m starter.local.stripe_edge``: the edge in front of a gateway that runs already. Listens on loopback only."""

import argparse
import os
from pathlib import Path

from aiohttp import web

from starter.local.stripe_edge import WEBHOOK_SECRET
from starter.local.stripe_edge.app import EdgeSettings, build


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m starter.local.stripe_edge", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="unix:<path> or http://127.0.0.1:<port>")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--webhook-url", default=None)
    given = parser.parse_args()
    given.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = EdgeSettings(
        upstream=given.upstream,
        origin=f"http://127.0.0.1:{given.port}",
        state_dir=given.state_dir,
        webhook_url=given.webhook_url,
        # The product takes several; one is enough to sign with.
        webhook_secret=os.environ.get(WEBHOOK_SECRET, "whsec_dialtone_development").partition(",")[0],
    )
    # The grace is for answers under way; a request that hangs on purpose is not waited for.
    web.run_app(build(settings), host="127.0.0.1", port=given.port, access_log=None, print=None, shutdown_timeout=1.0)


if __name__ == "__main__":
    main()
