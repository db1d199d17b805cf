"""Timeouts and retries, named by what the step is for. Forward steps give up; undos do not.

There is no workflow timeout and no workflow retry policy: both would end a run without undoing anything.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

ONBOARDING_STATE = SearchAttributeKey.for_keyword("OnboardingState")
TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
NEEDS_ATTENTION = SearchAttributeKey.for_bool("NeedsAttention")

# A cancelled step may still be running, and its effect may land after its undo: wait until it has really ended.
_SETTLED = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED

RECORDS = LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2), maximum_attempts=5
    ),
    cancellation_type=_SETTLED,
)
"""Steps inside our own database: short, idempotent, a third of the cost of an activity. Never for anything that can hang.

Only for moments: a local activity that goes on failing renews its workflow task every few seconds, and a day of that would
fill the history. What the database does not take within half a minute goes on as ``RECORDS_AT_LENGTH``."""

RECORDS_AT_LENGTH = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(days=1),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
    cancellation_type=_SETTLED,
)
"""The same steps while our database is out of order: retries cost no history."""

MONEY = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(hours=20),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5)),
    cancellation_type=_SETTLED,
)
"""The card gateway. Ends before the gateway forgets our idempotency keys (Stripe: 24 h)."""

SWITCH = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=20),
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=2)),
    cancellation_type=_SETTLED,
)
"""The voice switch. After an hour a person can do more than another attempt."""

MAIL = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=60),
    schedule_to_close_timeout=timedelta(days=3),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=10)),
    cancellation_type=_SETTLED,
)
"""The relay: greylisting and outages of a weekend are ordinary."""

UNDO = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5)),
    cancellation_type=_SETTLED,
)
"""Undoing, and writing down what was undone: every attempt is bounded, the number of attempts is not."""

SWEEP = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=5),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(seconds=30)),
)
"""One batch of the reaper. Its next run is a minute away, and does what this one could not."""

REMIND_OPERATORS = timedelta(days=1)
"""How often operators are reminded of what only they can move."""

BATCH = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
    cancellation_type=_SETTLED,
)
"""Starting a batch of a bulk run. No limit of attempts: what is waited for is Temporal itself, or our database."""
