"""The onboarding's own account of itself: its state and what happened, on its way into our records.

Entries are written with the next step that touches our database, in the same transaction, so that telling the story
costs no step of its own and cannot disagree with the effects.
"""

from collections import Counter
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from domain.onboarding import TRANSITIONS, Entry, Outcome, Progress, State
from workflows import options

# These pass within one workflow task as a rule; showing them in Temporal's list would cost an event each.
_UNLISTED = {State.OPENING, State.RESERVING}


class Journal:
    """State, deadline, attention and the entries that are not in our records yet."""

    def __init__(self, onboarding_id: str) -> None:
        self._onboarding_id = onboarding_id
        self._version = 0
        self._counts: Counter[str] = Counter()
        self._unwritten: list[Entry] = []
        self.state = State.OPENING
        self.waits_for: str | None = None
        self.deadline: datetime | None = None
        self.generation = 1
        self.attention: str | None = None
        self.outcome: Outcome | None = None

    def enter(
        self, state: State, waits_for: str | None = None, deadline: datetime | None = None, attention: str | None = None
    ) -> None:
        """Move to a state; ``AssertionError`` for a move that the table does not have, which blocks the task as a bug."""
        assert state in TRANSITIONS[self.state], f"{self.state} does not lead to {state}"
        self.state, self.waits_for, self.deadline = state, waits_for, deadline
        if state not in _UNLISTED:
            shown: list[SearchAttributeUpdate[Any]] = [options.ONBOARDING_STATE.value_set(state.value)]
            if attention != self.attention:
                shown.append(options.NEEDS_ATTENTION.value_set(attention is not None))
            workflow.upsert_search_attributes(shown)
        self.attention = attention
        self._describe()

    def wait_for(self, waits_for: str | None, deadline: datetime | None = None) -> None:
        """Stay in the state, but wait for somebody or something else."""
        self.waits_for, self.deadline = waits_for, deadline
        self._describe()

    def call(self, reason: str | None) -> None:
        """Ask for a person's attention, or (``None``) say that it is no longer needed."""
        if reason == self.attention:
            return
        self.attention = reason
        workflow.upsert_search_attributes([options.NEEDS_ATTENTION.value_set(reason is not None)])
        self._describe()

    def note(self, event: str, actor: str = "system", **detail: str) -> Entry:
        """Add an entry."""
        # Counted per event: a task that is run again tells the same story under the same keys, even if it hears of more.
        self._counts[event] += 1
        entry = Entry(key=f"{event}:{self._counts[event]}", at=workflow.now(), event=event, actor=actor, detail=detail)
        self._unwritten.append(entry)
        return entry

    def progress(self) -> Progress:
        """What the next step writes. The entries count as written only when ``written`` is called with it."""
        # The time of the task, and not a mere count: what a forgotten task has written is older than what its repetition writes.
        self._version = max(self._version + 1, workflow.time_ns() // 1_000)
        return Progress(
            onboarding_id=self._onboarding_id,
            version=self._version,
            state=self.state,
            waits_for=self.waits_for,
            deadline=self.deadline,
            generation=self.generation,
            needs_attention=self.attention,
            outcome=self.outcome,
            entries=tuple(self._unwritten),
        )

    def written(self, progress: Progress) -> None:
        self._unwritten = [entry for entry in self._unwritten if entry not in progress.entries]

    def strike(self, entry: Entry) -> None:
        """Take back an entry whose step was refused: it did not happen."""
        self._unwritten = [known for known in self._unwritten if known is not entry]

    def _describe(self) -> None:
        lines = [f"**{self.state.value.replace('_', ' ')}**"]
        if self.waits_for:
            lines.append(f"Waits for: {self.waits_for}")
        if self.deadline:
            lines.append(f"Until: {self.deadline:%Y-%m-%d %H:%M} UTC")
        if self.attention:
            lines.append(f"Needs attention: {self.attention}")
        workflow.set_current_details("\n\n".join(lines))
