"""Call records as the switch writes them: one row per answered call, when it has ended."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select, tuple_

from adapters.voice.tables import call_records
from domain.call_records import CallRecord

_r = call_records.c


def page(
    connection: Connection, account_id: str, begin: datetime, end: datetime, after: tuple[int, int] | None, most: int
) -> Sequence[CallRecord]:
    """A page of an account's records, read from its index."""
    query = (
        select(call_records)
        .where(
            _r.account_id == account_id,
            _r.began_at >= math.ceil(begin.timestamp()),
            _r.began_at < math.ceil(end.timestamp()),
        )
        .order_by(_r.began_at, _r.id)
        .limit(most)
    )
    if after is not None:
        query = query.where(tuple_(_r.began_at, _r.id) > tuple_(*after))
    return [
        CallRecord(
            id=row.id,
            account_id=row.account_id,
            line=row.line,
            caller=row.caller,
            called=row.called,
            began_at=datetime.fromtimestamp(row.began_at, UTC),
            seconds=row.seconds,
        )
        for row in connection.execute(query)
    ]
