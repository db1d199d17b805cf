"""Progress: the state that people see, written in the transaction of the effect that it tells of."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, func, select, update

from adapters.database.statements import PerDialect
from adapters.database.tables import onboardings, timeline
from domain.errors import NotFound
from domain.onboarding import Entry, Progress, State
from domain.orders import TermsAcceptance

_c = onboardings.c

_UPDATE = (
    update(onboardings)
    .where(_c.id == bindparam("of"), _c.version <= bindparam("at_version"))
    .values(
        {
            "version": bindparam("at_version"),
            "state": bindparam("new_state"),
            "waits_for": bindparam("new_waits_for"),
            "deadline": bindparam("new_deadline"),
            # Links that were ended since (``contacts``) stay ended.
            "generation": case((_c.generation > bindparam("new_generation"), _c.generation), else_=bindparam("new_generation")),
            "needs_attention": bindparam("new_needs_attention"),
            "outcome": bindparam("new_outcome"),
            "updated_at": bindparam("moment"),
            "terms": func.coalesce(bindparam("new_terms", type_=_c.terms.type), _c.terms),
        }
    )
)
_LOCK = select(_c.id).where(_c.id == bindparam("of")).with_for_update(key_share=True)
_ENTRIES = PerDialect(timeline, lambda insert: insert.on_conflict_do_nothing(index_elements=["onboarding_id", "key"]))


def write(connection: Connection, progress: Progress, moment: datetime, terms: TermsAcceptance | None = None) -> None:
    """Write the state unless a newer one is there, and the entries that are not there yet.

    Raises ``NotFound`` if the onboarding was never opened: there is no row to show anything on.
    """
    written = connection.execute(
        _UPDATE,
        {
            "of": progress.onboarding_id,
            "at_version": progress.version,
            "new_state": progress.state,
            "new_waits_for": progress.waits_for,
            "new_deadline": progress.deadline,
            "new_generation": progress.generation,
            "new_needs_attention": progress.needs_attention,
            "new_outcome": progress.outcome,
            "new_terms": terms,
            "moment": moment,
        },
    )
    # Entries are numbered while the row is locked, so the entries of one onboarding become visible in the order of
    # their numbers and a reader that resumes after the last one it saw misses none.
    if not written.rowcount and connection.execute(_LOCK, {"of": progress.onboarding_id}).first() is None:
        raise NotFound("There is no such onboarding, so its progress cannot be recorded. Open its account first.")
    append(connection, progress.onboarding_id, progress.state, progress.entries)


def append(connection: Connection, onboarding_id: str, state: State, entries: Sequence[Entry]) -> None:
    """Append timeline entries. The caller holds the lock of the onboarding's row."""
    if entries:
        connection.execute(
            _ENTRIES.on(connection),
            [
                {
                    "onboarding_id": onboarding_id,
                    "key": entry.key,
                    "at": entry.at,
                    "state": state,
                    "event": entry.event,
                    "actor": entry.actor,
                    "detail": entry.detail,
                }
                for entry in entries
            ],
        )
