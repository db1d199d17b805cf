"""Accounts are a tree: the platform, resellers below it to any depth, customers below them (S2-02, S4-02)."""

from datetime import datetime
from typing import Protocol

from domain.base import Value
from domain.orders import AccountKind
from domain.views import Page

__all__ = ["PLATFORM", "Account", "AccountKind", "Accounts"]

PLATFORM = "platform"
"""Id of the root."""


class Account(Value):
    """One account as its row has it. Times are UTC."""

    id: str
    parent_id: str | None
    kind: AccountKind
    name: str
    status: str
    currency: str
    opened_at: datetime
    activated_at: datetime | None

    @property
    def tenant_id(self) -> str:
        """The account whose users these are: a customer's are its white label's, which is the account above it."""
        return self.parent_id or PLATFORM if self.kind is AccountKind.CUSTOMER else self.id


class Accounts(Protocol):
    """The tree. Everything outside a scope's subtree is ``NotFound``, as if it did not exist."""

    async def covers(self, scope: str, account_id: str) -> bool:
        """Whether the account is ``scope`` itself or below it."""

    async def get(self, account_id: str, scope: str) -> Account:
        """One account. Raises ``NotFound``."""

    async def children(
        self, account_id: str, scope: str, kind: AccountKind | None, page_size: int, page_token: str | None
    ) -> Page[Account]:
        """The accounts right below one: resellers and customers. Raises ``NotFound``, and ``ValueError`` for a wrong token."""
