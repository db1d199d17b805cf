"""Accounts that are there already, in memory: those whose onboarding is active."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.accounts import PLATFORM, AccountKind
from domain.calling import Calling
from domain.customers import CustomerChange
from domain.errors import NotFound, Refused
from domain.existing import AccountRecord
from domain.keys import line_name
from domain.onboarding import State
from domain.services import ServiceChange, ServiceRecord, ServiceSettings
from starter.changes import Asked
from tests.starter.memory import Reader


@dataclass
class ExistingBook:
    reader: Reader

    async def record(self, account_id: str, scope: str) -> AccountRecord:
        for view in self.reader.rows.values():
            if view.account_id == account_id and scope in {PLATFORM, view.tenant_id, account_id}:
                break
        else:
            raise NotFound("There is no such account, or it is not yours to see.")
        if view.state is not State.ACTIVE:
            raise Refused("The account is not active yet.", code="account_not_active")
        order = view.order
        return AccountRecord(
            account_id=account_id,
            tenant_id=view.tenant_id,
            kind=AccountKind.CUSTOMER,
            status="active",
            account_number="4400123456",
            currency=view.quote.currency,
            balance_minor=0,
            held_minor=0,
            credit_limit_minor=order.credit_limit_minor,
            account_type=order.account_type,
            payer=order.payer,
            administration=order.administration,
            segment=order.segment,
            onboarding_id=view.id,
            customer=order.customer,
            low_balance_alert=order.low_balance_alert,
            taxes=order.taxes,
            tax_rate_basis_points=order.tax_rate_basis_points,
            plan=view.quote.plan,
            calling=Calling(account_id=account_id, onboarding_id=view.id),
            services=len(order.services),
            numbers=order.number_count,
            postings=True,
        )


class Obedient:
    """Has every change done, and changes nothing."""

    async def carry_out(self, workflow: str, change: Any, fingerprint: str) -> bool:
        return True

    async def before(self, workflow: str, kind: Any, account_id: str, key: str, fingerprint: str) -> None:
        return None

    async def finished(self, workflow: str, account_id: str, key: str) -> bool:
        return True

    async def start(self, workflow: str, change: Any, fingerprint: str) -> None:
        pass

    async def look(self, account_id: str, key: str) -> Asked:
        at = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
        patch = {"credit_limit_minor": 90_000, "contact": {"email": "new@harbour.example.com"}}
        who = {"account_id": account_id, "tenant_id": "tenant", "actor": "key-of-somebody", "at": at}
        return Asked(CustomerChange(key=key, patch=patch, needs_approval=True, **who), at)

    async def waiting(self, tenant_id: str) -> list[Asked]:
        return []

    async def asked_by(self, workflow: str, account_id: str, key: str) -> str | None:
        return "key-of-somebody"

    async def decide(self, workflow: str, account_id: str, key: str, verdict: str, by: Any) -> bool:
        return True


@dataclass
class ServiceShelf:
    """The services of an active onboarding, as they were ordered."""

    reader: Reader

    async def services(self, account_id: str) -> tuple[ServiceRecord, ...]:
        (view,) = (view for view in self.reader.rows.values() if view.account_id == account_id)
        return tuple(
            ServiceRecord(
                line=line_name(view.id, position),
                account_id=account_id,
                onboarding_id=view.id,
                numbers=view.numbers,
                settings=ServiceSettings(label=service.label, max_channels=service.max_channels),
            )
            for position, service in enumerate(view.order.services)
        )

    async def change(self, change: ServiceChange) -> ServiceRecord:
        raise NotImplementedError

    async def confirm(self, line: str, version: int) -> None:
        raise NotImplementedError
