"""Who is onboarded: a white label with endless credit, and orders that differ in nothing but the customer's name."""

import copy
import json
import uuid
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from adapters.database import Database
from adapters.voice.simulated import DONE_THEN_TIMED_OUT, DOWN_TWICE, REJECTED
from domain import keys
from domain.access import Role
from domain.catalogue import Schedule, Tenant
from domain.onboarding import OnboardingInput
from domain.orders import Administration, Order, TermsAcceptance
from domain.quotes import quote
from starter.local.state import EXAMPLES
from starter.schemas.orders import CreateOnboarding
from starter.seed import read_white_label

NUMBERS = 20_000
"""How many numbers the white label has: more than a run needs."""

_FAULTS = (REJECTED, DONE_THEN_TIMED_OUT, DOWN_TWICE)
_ORDERED = json.loads((EXAMPLES / "orders" / "2-white-label-administered.json").read_text())
_LINE = {"label": "Line", "numbers": {"criteria": {"count": 1, "prefix": "+44121", "pick": "next"}}, "max_channels": 2}


@cache
def white_label(folder: Path = EXAMPLES) -> Tenant:
    """A white label of the examples under another name, with the usual deadlines instead of the demonstration's."""
    tenant, _ = read_white_label(folder / "white-labels" / "brindley.json")
    return tenant.model_copy(update={"id": "bench", "slug": "bench", "name": "Bench", "schedule": Schedule()})


async def move_in(database: Database) -> str:
    """Write the white label and its numbers; returns an API key of its own."""
    tenant = white_label()
    await database.admin.put_tenant(tenant, credit_limit_minor=10**12)
    numbers = (f"+441216{n:06d}" for n in range(NUMBERS))
    await database.admin.import_numbers(tenant.id, (number for number in numbers if not number.endswith(_FAULTS)))
    _, api_key = await database.identities.issue("bench", tenant.id, Role.ADMIN)
    return api_key


def body(administration: Administration = Administration.OPERATOR) -> dict[str, Any]:
    """What a client posts for a new customer: one line with one number, paid by the parent or, later, by the customer's card."""
    ordered: dict[str, Any] = copy.deepcopy(_ORDERED)
    ordered |= {"white_label": None, "plan": None, "services": [_LINE], "administration": administration.value}
    if administration is Administration.CUSTOMER:
        ordered |= {"payer": "self", "account_type": "prepaid", "credit_limit_minor": 0}
    ordered["customer"]["name"] = f"Customer {uuid.uuid4()}"
    return ordered


def onboarding(administration: Administration = Administration.OPERATOR) -> OnboardingInput:
    """The same as the web process hands it to Temporal."""
    order, tenant = _read(body(administration)), white_label()
    key = str(uuid.uuid4())
    terms = TermsAcceptance(
        version=tenant.terms.version,
        sha256=tenant.terms.sha256,
        capacity="on_behalf",
        accepted_by="key-bench",
        accepted_at=datetime.now(UTC),
        address="127.0.0.1",
    )
    return OnboardingInput(
        id=keys.onboarding_id(tenant.id, key),
        tenant_id=tenant.id,
        sip_domain=tenant.sip_domain,
        requested_by="key-bench",
        submitted_at=datetime.now(UTC),
        fingerprint="f" * 64,
        order=order,
        quote=quote(order, tenant, {}),
        terms=terms if administration is Administration.OPERATOR else None,
        schedule=tenant.schedule,
    )


def _read(data: dict[str, Any]) -> Order:
    order, found = CreateOnboarding.model_validate(data).order("GB")
    if order is None:
        raise ValueError(f"The example order cannot be read any more: {found}")
    return order
