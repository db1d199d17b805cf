"""Letters about balances below their mark: found by a schedule, each sent by a workflow of its own."""

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.alerts import AlertActivities
    from activities.mails import MailActivities
    from domain.alerts import AlertBounds, AlertsHandedOn, AlertTold, LowBalance, UndeliveredAlert, workflow_id_of

from temporalio.common import WorkflowIDReusePolicy

from workflows import options
from workflows.process import begin, failure_code


@workflow.defn(name="low_balance")
class LowBalanceWorkflow:
    """One letter about one crossing. The relay may be away for days; the sweep does not wait for it."""

    @workflow.run
    async def run(self, alert: LowBalance) -> AlertTold:
        try:
            await begin(MailActivities.send_mail, alert.letter, options.MAIL, "low balance")
        except FailureError as error:
            undelivered = UndeliveredAlert(alert=alert, code=failure_code(error))
            await begin(AlertActivities.note_undelivered_alert, undelivered, options.UNDO, "not delivered")
            return AlertTold(told=False, code=undelivered.code)
        return AlertTold(told=True)


@workflow.defn(name="balance_alerts")
class BalanceAlertsWorkflow:
    """Hands every crossing that is due to a workflow of its own. Started by a schedule.

    A crossing counts as handed on only when its workflow has begun, and that workflow's id is the crossing's: a run that dies
    in between loses none, and two at once send none twice.
    """

    @workflow.run
    async def run(self, bounds: AlertBounds) -> AlertsHandedOn:
        due: list[LowBalance] = await begin(AlertActivities.due_alerts, bounds, options.SWEEP, "due")
        for alert in due:
            try:
                await workflow.start_child_workflow(
                    LowBalanceWorkflow.run,
                    alert,
                    id=workflow_id_of(alert),
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    parent_close_policy=ParentClosePolicy.ABANDON,
                )
            except WorkflowAlreadyStartedError:
                continue
        if due:
            await begin(AlertActivities.hand_on_alerts, due, options.SWEEP, "handed on")
        return AlertsHandedOn(letters=len(due))
