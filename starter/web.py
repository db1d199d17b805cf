"""The web application: API, customers' pages, documentation, over services that were composed elsewhere."""

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from starter import invitations, pages, problems, webhooks
from starter.api import (
    accounts,
    baskets,
    bulk,
    call_records,
    calling,
    catalogue,
    customer_changes,
    customers,
    decisions,
    described,
    docs,
    drafts,
    health,
    inventory,
    notifications,
    numbers,
    onboardings,
    paying_in,
    pins,
    plans,
    transfers,
    users,
)
from starter.api import services as services_api
from starter.events import Streams
from starter.middleware import Surroundings
from starter.remember import RememberedKeys
from starter.rendering import HERE
from starter.services import Services

VERSION = "0.1.0"


def create_app(services: Services) -> FastAPI:
    """The application over these services. It opens and closes nothing: that is for whoever composed them."""
    app = FastAPI(
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        # A redirect would lose the body of a POST, and the address without it is the same mistake once more.
        redirect_slashes=False,
        openapi_tags=[
            {"name": "Onboardings", "description": "Orders and what becomes of them."},
            {"name": "Decisions", "description": "What people decide about a running onboarding."},
            {
                "name": "Calling",
                "description": "Whether the telephones of an account may make calls, and by what they are rated.",
            },
            {"name": "Accounts", "description": "The tree of accounts, and who does what in it."},
            {"name": "Sessions", "description": "Signing in as a person, and switching to an account below one's own."},
            {
                "name": "Catalogue",
                "description": "What is sold: price lists, service types, taxes, and the plan of an account.",
            },
            {"name": "Inventory", "description": "Telephone numbers and plans."},
            {"name": "Baskets", "description": "Numbers held while an order is put together."},
            {"name": "Drafts", "description": "Orders that are being put together, section by section."},
            {"name": "Bulk", "description": "Many orders from one file."},
            {"name": "Health", "description": "For load balancers and schedulers."},
        ],
    )
    app.state.services = services
    app.state.keys = RememberedKeys(services.identities)
    app.state.streams = Streams()
    app.include_router(users.doors)
    api = (
        onboardings,
        decisions,
        calling,
        call_records,
        catalogue,
        plans,
        inventory,
        numbers,
        baskets,
        drafts,
        bulk,
        accounts,
        users,
        health,
        notifications,
        pins,
        paying_in,
    )
    for module in (*api, docs, webhooks, invitations, pages):
        app.include_router(module.router)
    app.include_router(onboardings.checks)
    app.include_router(notifications.letters)
    app.include_router(customers.router)
    app.include_router(customer_changes.router)
    app.include_router(services_api.router)
    app.include_router(transfers.router)
    app.include_router(bulk.about)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_middleware(Surroundings, base_url=services.base_url)
    problems.install(app, services.base_url)
    described.install(app)
    return app
