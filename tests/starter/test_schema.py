"""The OpenAPI document keeps its promises: schemathesis looks for an answer that it does not describe."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import ChecksConfig, PositiveDataAcceptanceConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from domain.access import Role
from domain.numbers import Grade, NumberRecord, NumberState
from domain.onboarding import OnboardingStatus, State
from starter.onboardings import Started
from starter.web import create_app
from tests.builders import an_onboarding
from tests.starter.conftest import TENANT, build
from tests.starter.memory import Identities, Office, Reader, view_of


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


KNOWN = "2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"


class _Willing(Office):
    """Says yes to everything, so that the answers that say yes are looked at too."""

    async def start(self, *_: Any, **__: Any) -> Started:
        return Started(id=KNOWN)

    async def steer(self, onboarding_id: str, update: str, value: Any, update_id: str | None = None) -> OnboardingStatus:
        return await self.status(onboarding_id)


def _schema() -> tuple[Any, dict[str, str]]:
    reader = Reader()
    view = reader.put(view_of(an_onboarding(id=KNOWN), state=State.ACTIVE))
    reader.note(view.id, "active", State.ACTIVE)
    reader.numbers = [NumberRecord(e164="+441214960000", grade=Grade.GOLD, state=NumberState.AVAILABLE)]
    services, _ = build(_Willing(reader), reader)
    identities = services.identities
    assert isinstance(identities, Identities)
    key = identities.add(TENANT.id, Role.ADMIN)
    # A JSON schema cannot say which names are time zones, or that two fields need each other, or what a page token is: 400 and 422 do.
    # Nor can it say whose key this is: 403 does. Nor in which account somebody may sign in: 401 does.
    acceptance = PositiveDataAcceptanceConfig(expected_statuses=["2xx", 400, 401, 403, 404, 409, 422])
    config = SchemathesisConfig(
        seed=1, projects=ProjectsConfig(default=ProjectConfig(checks=ChecksConfig(positive_data_acceptance=acceptance)))
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(services), config=config)
    return schema, {"Authorization": f"Bearer {key}"}


schema, authorisation = _schema()


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(case: Case) -> None:
    case.call_and_validate(headers=authorisation)


def test_the_run_covers_every_operation() -> None:
    assert len(list(schema.get_all_operations())) == 97
