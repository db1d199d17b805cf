"""Versions of price lists: a change never rewrites what orders and accounts refer to, it is another version."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from domain.base import Value
from domain.billing import Tax
from domain.catalogue import PriceList, Tenant, Terms
from domain.errors import Refused


class PriceListVersion(Value):
    """One content that a price list had. Who made it, and when (UTC), is unset if it is older than that record."""

    price_list: PriceList
    made_by: str | None = None
    made_at: datetime | None = None


MOST_PRICE_LISTS, MOST_VERSIONS, MOST_TAXES, MOST_RATE_GROUPS = 50, 1_000, 100, 200
"""How many a white label has at most: all but the versions are in its settings, which nearly every request reads."""


def full(what: str, most: int) -> Refused:
    """There is no room for one more."""
    return Refused(
        f"A white label has at most {most} {what}. Change one that is there, or have those that nobody uses taken out of its file.",
        code="catalogue_full",
    )


def named(prices: PriceList, kept: Iterable[PriceList]) -> PriceList:
    """The price list under a name of its own: another content of the same name becomes ``name.2``, then ``name.3``.

    Content that is there already, under that name or one made of it, keeps the name that it has.
    """
    by_name = {one.version: one for one in kept}
    name, count = prices.version, 1
    while True:
        wanted = prices.model_copy(update={"version": name})
        if by_name.get(name, wanted) == wanted:
            return wanted
        count += 1
        name = f"{prices.version[:190]}.{count}"


class Prices(Protocol):
    """What a white label charges, as of now, and every version of it that there was."""

    async def tenant(self, tenant_id: str) -> Tenant:
        """The white label as of now. Raises ``NotFound``."""

    async def version(self, tenant_id: str, code: str, version: str | None) -> PriceListVersion | None:
        """The price list as it was under this name of its content, or as it is in force; ``None`` if it never had it. Raises
        ``NotFound`` for a list that is not there."""

    async def put_price_list(self, tenant_id: str, prices: PriceList, actor: str) -> PriceList:
        """Create a price list, or put a new version of it in force. Returns it under the name that its version got.

        Raises ``Refused`` (``catalogue_full``)."""

    async def create_tax(self, tenant_id: str, tax: Tax) -> Tax:
        """Create a tax (S4-33). Raises ``Refused`` (``tax_exists``) if the code has another one."""

    async def terms(self, tenant_id: str, sha256: str) -> Terms | None:
        """The text of this hash, if the white label ever had it."""
