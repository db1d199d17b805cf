"""Onboarding workflows with a mistake in them, as a release might have one by accident."""

from temporalio import workflow

from domain.onboarding import OnboardingInput, Outcome, State
from workflows.onboarding import OnboardingWorkflow


@workflow.defn(name="onboarding")
class DividesByZero(OnboardingWorkflow):
    """Breaks after money was set aside."""

    @workflow.init
    def __init__(self, onboarding: OnboardingInput) -> None:
        super().__init__(onboarding)

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> Outcome:
        return await super().run(onboarding)

    async def _provision(self) -> None:
        _ = 1 // len(self._onboarding.order.services[1:])


@workflow.defn(name="onboarding")
class TakesAMoveThatIsNotInTheTable(OnboardingWorkflow):
    """Breaks where the table of moves notices it."""

    @workflow.init
    def __init__(self, onboarding: OnboardingInput) -> None:
        super().__init__(onboarding)

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> Outcome:
        return await super().run(onboarding)

    async def _provision(self) -> None:
        self._journal.enter(State.RESERVING)
