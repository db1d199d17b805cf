"""What a person types into a telephone. Derived when asked for, stored nowhere."""

from collections import deque

from domain import keys
from domain.errors import Refused
from domain.onboarding import State
from domain.views import OnboardingView
from domain.voice import Credentials
from starter.services import Services


def numbers_by_service(view: OnboardingView) -> list[tuple[str, ...]]:
    """The onboarding's numbers, service by service: those named in the order, then the found ones in their order."""
    named = set(view.order.explicit_numbers)
    rest = deque(number for number in view.numbers if number not in named)
    return [
        service.numbers.explicit or tuple(rest.popleft() for _ in range(min(service.numbers.count, len(rest))))
        for service in view.order.services
    ]


async def credentials(services: Services, view: OnboardingView) -> list[Credentials]:
    """The SIP credentials of every line. Raises ``Refused`` (``not_active``) before the service is up."""
    if view.state is not State.ACTIVE:
        raise Refused("There are no telephone passwords until the service is active.", code="not_active")
    domain = view.sip_domain or (await services.catalogue.tenant(view.tenant_id)).sip_domain
    found = []
    for position, numbers in enumerate(numbers_by_service(view)):
        username = keys.line_name(view.id, position)
        password = services.secrets.device_password(username, domain)
        found.append(Credentials(username=username, domain=domain, password=password, numbers=numbers))
    return found
