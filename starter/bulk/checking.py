"""Checking the rows of a file: each as one order is checked, and all of them against each other."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from pydantic import ValidationError

from domain import keys
from domain.access import Principal
from domain.bulk import MOST_OTHERS, MOST_PROBLEMS, NewRow, RowProblem
from domain.catalogue import Tenant
from domain.credentials import Credential
from domain.customer import name_key
from domain.notifications import Recipient
from domain.orders import Order
from starter.bulk.files import RawRow
from starter.onboardings import Onboardings
from starter.problems import Problem, ProblemError, of_finding, of_validation_error
from starter.schemas.orders import CreateOnboarding

_HANDFUL = 20
"""Rows that are read together."""


class RowCheck:
    """Makes rows ready to be started. One for each file: it remembers what earlier rows have asked for."""

    def __init__(
        self,
        onboardings: Onboardings,
        principal: Principal,
        tenant: Tenant,
        run_id: str,
        *,
        fingerprint: str,
        acknowledged: Iterable[str] = (),
        address: str | None = None,
        most_others: int = MOST_OTHERS,
    ) -> None:
        self._onboardings = onboardings
        self._principal = principal
        self._tenant = tenant
        self._run_id = run_id
        self._fingerprint = fingerprint
        self._acknowledged = tuple(acknowledged)
        self._address = address
        self._most_others = most_others
        self._others = set[str]()
        self._seen: dict[tuple[str, str], int] = {}

    async def all(self, rows: Iterable[RawRow]) -> list[NewRow]:
        """Every row, checked. Raises what ``rows`` raises: a file that breaks off is not half read."""
        checked: list[NewRow] = []
        remaining = iter(rows)
        # On a thread, and every row a turn of the loop: a file must not keep everybody else waiting.
        while handful := await asyncio.to_thread(lambda: list(islice(remaining, _HANDFUL))):
            for row in handful:
                checked.append(await self.one(row))
                await asyncio.sleep(0)
        return checked

    async def one(self, row: RawRow) -> NewRow:
        """One row, checked."""
        if row.data is None:
            return NewRow(number=row.number, line=row.line, problems=tuple(row.problems))
        try:
            body = CreateOnboarding.model_validate(row.data)
        except ValidationError as error:
            return _refused(row, of_validation_error(error))
        return await self.body(row, body)

    async def body(self, row: RawRow, body: CreateOnboarding) -> NewRow:
        """One row whose order is well-formed."""
        if body.white_label not in {None, self._tenant.slug, self._tenant.id}:
            detail = "All orders of a file are for one white label, which the request names. Leave it out of the rows."
            return _refused(row, [ProblemError(code="other_white_label", detail=detail, pointer="/white_label")])
        if body.account_id is not None:
            detail = "A file makes new customers. Add services to one that is there already by an order of its own."
            return _refused(row, [ProblemError(code="not_in_a_file", detail=detail, pointer="/account_id")])
        if body.credential is Credential.GENERATE:
            detail = "A password that is made is shown in the answer to an order, and a file has none. Invite them instead."
            return _refused(row, [ProblemError(code="not_in_a_file", detail=detail, pointer="/credential")])
        order, found = body.order(self._tenant.country)
        if order is None:
            return _refused(row, [of_finding(finding) for finding in found])
        if order.credential is None and body.password is None and self._tenant.form.credential is Credential.GENERATE:
            # By itself the form would make a password that nobody sees.
            order = order.model_copy(update={"credential": Credential.INVITE})
        order = order.model_copy(update={"acknowledged_warnings": (*order.acknowledged_warnings, *self._acknowledged)})
        in_file = [*self._twice(row.number, order), *self._too_many_others(order)]
        try:
            begin = await self._onboardings.prepare(
                self._principal,
                self._tenant,
                order,
                keys.bulk_onboarding_id(self._run_id, row.number),
                fingerprint=self._fingerprint,
                terms_accepted=body.terms_accepted,
                address=self._address,
                wanted=body.wanted,
                hash_later=True,
            )
        except Problem as problem:
            return _refused(row, [*problem.errors, *in_file])
        return _refused(row, in_file) if in_file else NewRow(number=row.number, line=row.line, begin=begin)

    def _twice(self, number: int, order: Order) -> Iterator[ProblemError]:
        """What an earlier row of the file has asked for already, and only one can have."""
        claims = [("/customer/name", "name_taken", name_key(order.customer.name), "This customer")]
        if order.account_number:
            claims.append(("/account_number", "account_number_taken", order.account_number, "This account number"))
        for place, service in enumerate(order.services):
            for index, e164 in enumerate(service.numbers.explicit):
                claims.append((f"/services/{place}/numbers/explicit/{index}", "number_twice", e164, "This number"))
        for where, code, value, what in claims:
            first = self._seen.setdefault((code, value), number)
            if first != number:
                detail = f"{what} is in row {first} of the file already. Leave one of the two rows out, or change it."
                yield ProblemError(code=code, detail=detail, pointer=where)

    def _too_many_others(self, order: Order) -> Iterator[ProblemError]:
        """Recipients that are one too many for a file. Those who were named before may be named in every row."""
        for place, one in enumerate(order.notifications):
            email = one.email.casefold() if one.to is Recipient.OTHER and one.send and one.email else None
            if email is None or email in self._others:
                continue
            if len(self._others) < self._most_others:
                self._others.add(email)
                continue
            detail = (
                f"The letters of one file go to {self._most_others} other recipients at most, and earlier rows have named as many. "
                "Leave this one out, or order this row by itself."
            )
            yield ProblemError(code="too_many_recipients", detail=detail, pointer=f"/notifications/{place}/email")


def _refused(row: RawRow, errors: Iterable[ProblemError]) -> NewRow:
    problems = [
        RowProblem(code=error.code, detail=error.detail, pointer=error.pointer, column=_column(row, error.pointer))
        for error in errors
    ]
    return NewRow(number=row.number, line=row.line, problems=tuple(problems[:MOST_PROBLEMS]))


def _column(row: RawRow, where: str | None) -> str | None:
    """The file's column that a pointer is about: the very one, or how the missing one would be called."""
    if not row.columns or not where:
        return None
    known = where
    while known:
        if known in row.columns:
            return row.columns[known]
        known = known.rpartition("/")[0]
    parts = [str(int(part) + 1) if part.isdecimal() else part for part in where[1:].split("/")]
    return ".".join(parts)
