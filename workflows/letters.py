"""A letter of an active order that was refused for good: sent again, or dismissed. The order's own workflow has ended long ago."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.letters import LetterActivities
    from activities.mails import MailActivities
    from domain.customers import ChangeOutcome
    from domain.letters import LetterAct, LetterEnd, LetterTaken

from workflows import options
from workflows.customers import refused
from workflows.process import begin, failure_code
from workflows.saga import undisturbed


@workflow.defn(name="letter")
class LetterWorkflow:
    """Returns whether it was done, or why not. Whatever becomes of the letter is told in the order's timeline."""

    @workflow.run
    async def run(self, act: LetterAct) -> ChangeOutcome:
        return await undisturbed(asyncio.create_task(self._carry_through(act)))

    async def _carry_through(self, act: LetterAct) -> ChangeOutcome:
        try:
            taken: LetterTaken = await begin(LetterActivities.take_up_letter, act, options.UNDO, act.act)
        except FailureError as error:
            return refused(error)
        letter = taken.letter
        if letter is None:
            return ChangeOutcome(done=True)
        try:
            await begin(MailActivities.send_mail, letter, options.MAIL, letter.kind.replace("_", " "))
        except FailureError as error:
            end = LetterEnd(act=act, letter=letter, code=failure_code(error))
            await begin(LetterActivities.close_letter, end, options.UNDO, "not delivered")
            message = "The letter was refused again. Send it to another address, or dismiss it."
            return ChangeOutcome(done=False, code="letter_refused_again", message=message)
        await begin(LetterActivities.close_letter, LetterEnd(act=act, letter=letter), options.UNDO, "delivered")
        return ChangeOutcome(done=True)
