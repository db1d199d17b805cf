"""A stand-in of the onboarding workflow: same wire names, only as much behaviour as the web process can see."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.onboarding import Decision, OnboardingInput, OnboardingStatus, State


@workflow.defn(name="onboarding")
class Clerk:
    @workflow.init
    def __init__(self, onboarding: OnboardingInput) -> None:
        self._onboarding = onboarding
        self._cancelled = False

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> None:
        await workflow.wait_condition(lambda: self._cancelled)

    @workflow.query(name="state")
    def state(self) -> OnboardingStatus:
        return OnboardingStatus(id=self._onboarding.id, state=State.AWAITING_APPROVAL, stuck_undos=("remove_line:0",))

    @workflow.update(name="approve")
    def approve(self, decision: Decision) -> OnboardingStatus:
        return self.state()

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        if decision.actor == self._onboarding.requested_by:
            raise ApplicationError("Ask another approver.", type="approver_is_requester", non_retryable=True)

    @workflow.update(name="cancel")
    def cancel(self, decision: Decision) -> OnboardingStatus:
        self._cancelled = True
        return self.state()
