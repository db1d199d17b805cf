"""Starting and steering onboardings: the only place of the web process that speaks to Temporal.

Starting writes one thing: the workflow. No row, no outbox, so nothing can be half-started (DESIGN section 2).
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain import keys, line_rules, rules
from domain.access import Principal, member_of
from domain.accounts import Accounts
from domain.base import Value
from domain.catalogue import Tenant
from domain.credentials import Credential, Credentials
from domain.errors import NotFound, Refused, Unavailable
from domain.existing import AccountRecord
from domain.numbers import PUBLIC
from domain.onboarding import Answer, OnboardingInput, OnboardingStatus, State
from domain.orders import Order
from domain.ports import Baskets, Catalogue
from domain.rules import Finding
from domain.views import OnboardingReader, OnboardingView
from starter import problems
from starter.asking import PATIENCE, Gone, cause, decide, is_gone, nobody_answers
from starter.assessment import assess, attested
from starter.first_access import FirstAccess, Shown, Wanted
from workflows.starting import start_options

_WORKFLOW = "onboarding"

_NOTHING_WANTED = Wanted()

_log = logging.getLogger(__name__)


class Started(Value):
    """The onboarding that a request stands for. ``replayed``: an earlier request with the same key had started it."""

    id: str
    state: State = State.OPENING
    replayed: bool = False
    shown: Shown = Shown()


class Onboardings:
    """Starts onboardings, tells how they stand, and passes people's decisions on to them."""

    def __init__(
        self,
        client: Client,
        reader: OnboardingReader,
        catalogue: Catalogue,
        task_queue: str,
        *,
        accounts: Accounts | None = None,
        baskets: Baskets | None = None,
        access: FirstAccess | None = None,
    ) -> None:
        """Without ``accounts`` nobody sees onboardings of accounts below their own, without ``baskets`` no order names one,
        without ``access`` no order brings a user or a PIN."""
        self._access = access
        self._client = client
        self._reader = reader
        self._catalogue = catalogue
        self._task_queue = task_queue
        self._accounts = accounts
        self._baskets = baskets

    async def start(
        self,
        principal: Principal,
        tenant: Tenant,
        order: Order,
        *,
        idempotency_key: str,
        fingerprint: str,
        terms_accepted: bool = False,
        address: str | None = None,
        wanted: Wanted = _NOTHING_WANTED,
        adds_to: AccountRecord | None = None,
        onboarding_id: str | None = None,
    ) -> Started:
        """Start the onboarding of an order, once per ``idempotency_key`` of the tenant; of the account for an order that adds to one.

        ``fingerprint`` recognises the request, ``address`` is the client's IP address for the record of accepted terms,
        ``wanted`` what goes no further than this in clear, ``adds_to`` is the account that the order names, if it names one.
        ``onboarding_id`` is given where it is known before the key is: a draft becomes one onboarding only. Raises ``Problem``
        for an order that cannot be or a key that stands for another request, ``Unavailable``
        without Temporal: then the same request with the same key is safe to send again.
        """
        # An account may move to another white label between two sendings of the same request.
        scope = adds_to.account_id if adds_to else tenant.id
        onboarding = onboarding_id or keys.onboarding_id(scope, idempotency_key)
        # The row outlives the workflow's history, which Temporal deletes after its retention: without this look a key
        # from last year would start anew.
        earlier = await self._row(onboarding)
        if earlier is not None:
            return await self._repeated(earlier, principal, fingerprint, tenant, wanted)
        begin = await self.prepare(
            principal,
            tenant,
            order,
            onboarding,
            fingerprint=fingerprint,
            terms_accepted=terms_accepted,
            address=address,
            wanted=wanted,
            adds_to=adds_to,
        )
        try:
            await self._begin(begin)
        except WorkflowAlreadyStartedError:
            return await self._repeated(await self.view(onboarding, tenant.id), principal, fingerprint, tenant, wanted)
        shown = self._access.shown(begin.credentials, onboarding) if self._access is not None else Shown()
        return Started(id=onboarding, shown=shown)

    async def prepare(
        self,
        principal: Principal,
        tenant: Tenant,
        order: Order,
        onboarding: str,
        *,
        fingerprint: str,
        terms_accepted: bool = False,
        address: str | None = None,
        wanted: Wanted = _NOTHING_WANTED,
        adds_to: AccountRecord | None = None,
        hash_later: bool = False,
    ) -> OnboardingInput:
        """Everything that an onboarding of this id needs, checked and priced as of now; starts nothing.

        ``hash_later``: a password is only sealed, and hashed by whoever starts it. Raises ``Problem``
        for an order that cannot be.
        """
        now = datetime.now(UTC)
        terms = attested(principal, tenant, order, now, address) if terms_accepted else None
        assessment = await assess(self._catalogue, tenant, order, terms, now, adds_to, principal)
        blocking = rules.blocking(assessment.findings, order.acknowledged_warnings)
        blocking += await self._basket_findings(order, tenant, adds_to)
        if self._access is not None:
            blocking += await self._access.findings(order, tenant, wanted)
        if blocking or assessment.price is None:
            raise problems.of_findings(blocking)
        credentials = Credentials()
        if self._access is not None:
            credentials = await self._access.prepare(
                order, tenant, wanted, onboarding, keys.account_id(onboarding), hash_later=hash_later
            )
        return OnboardingInput(
            id=onboarding,
            tenant_id=tenant.id,
            sip_domain=tenant.sip_domain,
            requested_by=principal.actor,
            requested_person=principal.person,
            submitted_at=now,
            fingerprint=fingerprint,
            # What is kept is what was really found: nobody acknowledges in advance.
            order=order.model_copy(update={"acknowledged_warnings": assessment.warnings, "credential": credentials.credential}),
            credentials=credentials,
            quote=assessment.price,
            approval_reasons=assessment.approval_reasons,
            terms=terms,
            schedule=tenant.schedule,
            account_numbers=tenant.account_numbers,
            # Added lines are under the right to call that their account has.
            calling=adds_to.calling
            if adds_to
            else line_rules.calling_of(order, tenant, keys.account_id(onboarding), onboarding, now),
        )

    async def repeated(self, onboarding_id: str, principal: Principal, tenant: Tenant, fingerprint: str) -> Started | None:
        """What ``start`` answered, if this onboarding was started by the same request; ``None`` if it was not."""
        try:
            earlier = await self.view(onboarding_id, tenant.id)
        except NotFound:
            return None
        return await self._repeated(earlier, principal, fingerprint, tenant, _NOTHING_WANTED)

    async def _repeated(
        self, earlier: OnboardingView, principal: Principal, fingerprint: str, tenant: Tenant, wanted: Wanted
    ) -> Started:
        """The first answer again, with what was made then: for as long as Temporal keeps what the workflow was started with.

        What was made is for the one who placed the order: a colleague who sends the same learns that it is placed, not the
        customer's password.
        """
        started = _replay(earlier, fingerprint)
        if member_of(earlier.requested_by) != principal.id:
            return started
        made = earlier.order.credential is Credential.GENERATE or (wanted.pin is None and tenant.form.pin)
        begin = await self._input(earlier.id) if self._access is not None and made else None
        if self._access is None or begin is None:
            return started
        return started.model_copy(update={"shown": self._access.shown(begin.credentials, earlier.id)})

    async def _basket_findings(self, order: Order, tenant: Tenant, adds_to: AccountRecord | None) -> list[Finding]:
        """What is wrong with the basket that an order names. Whether its numbers can be had is for the step that takes them."""
        if order.basket is None or self._baskets is None:
            return []
        try:
            basket = await self._baskets.get(tenant.id, order.basket)
        except (NotFound, Refused) as error:
            code = "basket_gone" if isinstance(error, Refused) else "basket_unknown"
            return [Finding(code=code, pointer="/basket", message=error.message, fix="Open another basket, or leave it out.")]
        if basket.pool not in {PUBLIC, adds_to.account_id if adds_to else PUBLIC}:
            # The step would leave out the numbers that are kept for that customer, after the order has been accepted.
            return [
                Finding(
                    code="pool_of_another",
                    pointer="/basket",
                    message="This basket was opened for the numbers of a customer, and this order is not for that customer.",
                    fix="Name that customer as account_id, or open a basket of the public pool.",
                )
            ]
        return []

    async def _begin(self, begin: OnboardingInput) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.start_workflow(_WORKFLOW, begin, task_queue=self._task_queue, **start_options(begin))
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("start refused by Temporal", extra={"cause": cause(error)})
            raise Unavailable(
                "Orders cannot be accepted right now. Nothing was charged or reserved. "
                "Send the same request with the same Idempotency-Key again: it will be carried out once.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error

    async def view(self, onboarding_id: str, tenant_id: str | None) -> OnboardingView:
        """One onboarding, of this tenant or below it if one is given. Raises ``NotFound``.

        Just after 202 the workflow may not have written its row; then its input tells the same.
        """
        try:
            return await self._reader.get(onboarding_id, tenant_id)
        except NotFound:
            # A row decides: the customer may have moved to another white label since its workflow began.
            # It may have been written since we looked, so it is asked once more.
            if tenant_id is not None and await self._row(onboarding_id) is not None:
                return await self._reader.get(onboarding_id, tenant_id)
            begin = await self._input(onboarding_id)
            if begin is None or (tenant_id is not None and not await self._reaches(tenant_id, begin)):
                raise
        return OnboardingView(
            id=begin.id,
            tenant_id=begin.tenant_id,
            account_id=begin.order.account_id or keys.account_id(begin.id),
            state=State.OPENING,
            waits_for=None,
            deadline=None,
            generation=1,
            needs_attention=None,
            outcome=None,
            requested_by=begin.requested_by,
            created_at=begin.submitted_at,
            updated_at=begin.submitted_at,
            fingerprint=begin.fingerprint,
            order=begin.order,
            quote=begin.quote,
            approval_reasons=begin.approval_reasons,
            terms=begin.terms,
            numbers=(),
            charged_minor=0,
            refunded_minor=0,
        )

    async def _reaches(self, scope: str, begin: OnboardingInput) -> bool:
        if scope in {begin.tenant_id, begin.order.account_id or keys.account_id(begin.id)}:
            return True
        return self._accounts is not None and await self._accounts.covers(scope, begin.tenant_id)

    async def status(self, onboarding_id: str, patience: float = PATIENCE) -> OnboardingStatus:
        """The workflow's own answer, stuck undos included, within ``patience`` seconds.

        Raises ``NotFound``, and ``Unavailable`` without a worker.
        """
        try:
            async with asyncio.timeout(patience):
                answer: OnboardingStatus = await self._handle(onboarding_id).query("state", result_type=OnboardingStatus)
        except (RPCError, RuntimeError, TimeoutError, WorkflowQueryFailedError) as error:
            if is_gone(error):
                raise NotFound("There is no such onboarding.") from error
            raise nobody_answers(error) from error
        return answer

    async def steer(self, onboarding_id: str, update: str, value: Value, update_id: str | None = None) -> OnboardingStatus:
        """Pass a decision on. A repetition with the same ``update_id`` gets the first answer and decides nothing anew.

        Raises ``Refused`` with the workflow's code if it says no, ``already_finished`` if it has ended,
        ``idempotency_key_reused`` if ``update_id`` stood for another request, ``NotFound`` if it never began, ``Unavailable`` if
        nobody answers in time.
        """
        answer = await self._steer(onboarding_id, update, value, update_id)
        # An answer from before requests were told apart has none.
        if update_id is not None and answer.fingerprint not in {None, getattr(value, "fingerprint", None)}:
            raise Refused(
                "This Idempotency-Key was used for another decision before, so nothing was decided now. Use a new key.",
                code="idempotency_key_reused",
            )
        return answer

    async def _steer(self, onboarding_id: str, update: str, value: Value, update_id: str | None) -> Answer:
        try:
            return await decide(self._handle(onboarding_id), update, value, update_id, Answer, "onboarding")
        except Gone as error:
            await self.view(onboarding_id, None)
            raise Refused("This onboarding has ended; it cannot be changed any more.", code="already_finished") from error

    def _handle(self, onboarding_id: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(keys.workflow_id(onboarding_id))

    async def _row(self, onboarding_id: str) -> OnboardingView | None:
        try:
            return await self._reader.get(onboarding_id)
        except NotFound:
            return None

    async def _input(self, onboarding_id: str) -> OnboardingInput | None:
        """What the workflow was started with, or ``None`` if there is no such workflow."""
        handle = self._handle(onboarding_id)
        try:
            async with asyncio.timeout(PATIENCE):
                first = await anext(aiter(handle.fetch_history_events(page_size=1)))
                payloads = first.workflow_execution_started_event_attributes.input.payloads
                (begin,) = await self._client.data_converter.decode(payloads, [OnboardingInput])
        except RPCError as error:
            if is_gone(error):
                return None
            raise nobody_answers(error) from error
        except (RuntimeError, TimeoutError) as error:
            raise nobody_answers(error) from error
        assert isinstance(begin, OnboardingInput)
        return begin


def _replay(earlier: OnboardingView, fingerprint: str) -> Started:
    if earlier.fingerprint != fingerprint:
        raise problems.Problem(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request before. Use a new key for a new order.",
        )
    return Started(id=earlier.id, state=earlier.state, replayed=True)
